"""Make the committed gallery anew: each sweep by its own command, and the files that it keeps.

python -m launch.gallery                       # every folder of results/gallery
python -m launch.gallery --only=quickstart     # this one

A folder's sweep.json names the command. What stands beside it is made anew from the report: tables
and figures by their names, page.png as a picture of the page in Chromium, in its old size.
"""

import json
import pathlib
import shlex
import shutil
import subprocess
import sys

from absl import flags

from identjax.errors import unknown_name
from launch import browser, common

GALLERY = flags.DEFINE_string("gallery", "results/gallery", "The folder of the committed files.")
ONLY = flags.DEFINE_list("only", None, "Only these folders of it.")


def main() -> None:
    """Run what is not there yet, evaluate and draw it, and copy the files that are kept."""
    kept = sorted(pathlib.Path(GALLERY.value).glob("*/sweep.json"))
    folders = {path.parent.name: path.parent for path in kept}
    for name in ONLY.value or folders:
        if name not in folders:
            raise unknown_name("only", name, folders)
        renew(folders[name])


def renew(kept: pathlib.Path) -> None:
    """Make one folder anew."""
    command = shlex.split(json.loads((kept / "sweep.json").read_text())["command"])
    workdir = next(part for part in command if part.startswith("--workdir="))
    for step in (command[1:], *(["-m", f"launch.{n}", workdir] for n in ("evaluate", "report"))):
        subprocess.run([sys.executable, *step], check=True)
    made = pathlib.Path(workdir.partition("=")[2])
    found = [*(made / "report").rglob("*.csv"), *(made / "report").rglob("*.svg")]
    sources = {path.name: path for path in [made / "sweep.json", *found]}
    for file in sorted(kept.iterdir()):
        if file.name in sources:
            shutil.copyfile(sources[file.name], file)
        elif file.name == "page.png":
            browser.photograph(made / "report" / "index.html", file)
        else:
            print(f"{file} is not of a report, and stays as it is")


if __name__ == "__main__":
    common.run(main)
