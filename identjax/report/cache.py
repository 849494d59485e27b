"""Whether a page still says what its folders hold, so that nothing is drawn twice."""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Sequence

from identjax.report.block import BLOCKS

Path = str | os.PathLike[str]
_READ = ("sweep.json", "members.parquet", "events.jsonl", "curves/*", "evals/**/*.parquet")
_NOTE = ".drawn_from.json"
_PACKAGE = pathlib.Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Report:
    """What was written: the page, the sentence at its top, and a line on each block that failed."""

    path: pathlib.Path
    headline: str
    failures: tuple[str, ...] = ()


def fingerprint(workdirs: Sequence[pathlib.Path], package: pathlib.Path = _PACKAGE) -> str:
    """Give the digest of the names, sizes and times of all that a page is drawn from and by."""
    digest = hashlib.blake2b(digest_size=16)
    for path in _inputs(workdirs, package):
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _inputs(workdirs: Sequence[pathlib.Path], package: pathlib.Path) -> Iterable[pathlib.Path]:
    """List the files: any of the package may change a number, and a block may be a user's."""
    for ending in ("*.py", "*.css", "*.jinja"):
        yield from sorted(package.rglob(ending))
    yield from sorted({pathlib.Path(BLOCKS.place_of(name).rpartition(":")[0]) for name in BLOCKS})
    for workdir in workdirs:
        for pattern in _READ:
            yield from sorted(workdir.absolute().glob(pattern))


def recall(folder: pathlib.Path, drawn_from: str) -> Report | None:
    """Give the page in a folder if it was drawn from just this."""
    note, page = folder / _NOTE, folder / "index.html"
    if not (note.exists() and page.exists()):
        return None
    found = json.loads(note.read_text())
    return Report(page, found["headline"]) if found["from"] == drawn_from else None


def remember(drawn: Report, drawn_from: str) -> None:
    """Note what a page was drawn from, the last thing that is written, unless a block failed."""
    if not drawn.failures:
        note = json.dumps({"from": drawn_from, "headline": drawn.headline})
        (drawn.path.parent / _NOTE).write_text(note + "\n")
