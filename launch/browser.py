"""Pictures of pages, taken by Chromium without a screen."""

import pathlib
import shutil
import struct
import subprocess
import tempfile


def photograph(page: pathlib.Path, picture: pathlib.Path) -> None:
    """Take a picture of a page in the size that an earlier one has."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        print(f"{picture} stays as it is: there is no Chromium here")
        return
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    with tempfile.TemporaryDirectory() as home:
        size = [f"--window-size={width},{height}", f"--user-data-dir={home}"]
        shot = f"--screenshot={picture.absolute()}"
        command = [browser, *quiet, *size, shot, page.absolute().as_uri()]
        subprocess.run(command, check=True, capture_output=True)
