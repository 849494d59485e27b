"""Whether a page still says what its folders hold, so that nothing is drawn twice."""

import hashlib
import json
import pathlib
from collections.abc import Iterable, Sequence

_READ = ("sweep.json", "members.parquet", "events.jsonl", "curves/*", "evals/*.parquet")
_NOTE = ".drawn_from.json"


def fingerprint(workdirs: Sequence[pathlib.Path]) -> str:
    """Give the digest of the names, sizes and times of all that a page is drawn from and by."""
    digest = hashlib.blake2b(digest_size=16)
    for path in _inputs(workdirs):
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _inputs(workdirs: Sequence[pathlib.Path]) -> Iterable[pathlib.Path]:
    for ending in ("*.py", "*.css", "*.jinja"):
        yield from sorted(pathlib.Path(__file__).parent.rglob(ending))
    for workdir in workdirs:
        for pattern in _READ:
            yield from sorted(workdir.absolute().glob(pattern))


def recall(folder: pathlib.Path, drawn_from: str) -> str | None:
    """Give the headline of the page in a folder if it was drawn from just this."""
    note = folder / _NOTE
    if not (note.exists() and (folder / "index.html").exists()):
        return None
    found = json.loads(note.read_text())
    headline: str = found["headline"]
    return headline if found["from"] == drawn_from else None


def remember(folder: pathlib.Path, drawn_from: str, headline: str) -> None:
    """Note what the page in a folder was drawn from; the last thing that is written."""
    (folder / _NOTE).write_text(json.dumps({"from": drawn_from, "headline": headline}) + "\n")
