"""What was not run on the real thing: it parses, and what it would run exists."""

import os
import pathlib
import re
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).parent.parent.parent
SCRIPT = ROOT / "launch" / "tpu_vm.sh"
NAMES = {"NAME": "n", "ZONE": "z", "TYPE": "v5litepod-16", "BUCKET": "b", "DRY_RUN": "1"}


def run_script(*args: str, **names: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **names}
    command = ["bash", str(SCRIPT), *args]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["create"], ["create n", "--accelerator-type=v5litepod-16"]),
        (["install"], ["scp", "gcsfuse", "--worker=all"]),
        (
            ["run", "--config=a b.py"],
            ["--distributed", "--workdir=/mnt/identjax/n", "--worker=all"],
        ),
        (["fetch", "out"], ["gs://b/n out"]),
        (["delete"], ["delete n"]),
    ],
)
def test_a_dry_run_prints_what_would_be_run(args: list[str], words: list[str]) -> None:
    done = run_script(*args, **NAMES)
    assert done.returncode == 0, done.stderr
    assert [word for word in words if word not in done.stdout] == []
    assert ("--spot" in run_script("create", **NAMES, SPOT="1").stdout) is True


@pytest.mark.parametrize("names", [{}, NAMES | {"BUCKET": ""}])
def test_what_is_missing_is_named(names: dict[str, str]) -> None:
    assert run_script("create", **names).returncode != 0
    assert run_script("destroy", **NAMES).returncode == 2


def test_templates_say_first_that_they_were_not_run_and_use_flags_that_exist() -> None:
    flags = "".join((ROOT / "launch" / name).read_text() for name in ("sweep.py", "cluster.py"))
    known = set(re.findall(r'DEFINE_\w+\(\s*"(\w+)"', flags))
    for name in ("tpu_vm.sh", "sky.yaml"):
        text = (ROOT / "launch" / name).read_text()
        assert "NOT RUN ON A REAL" in "".join(text.splitlines()[:2])
        commands = re.findall(r"python -m launch\.sweep (.*)", text)
        assert commands
        used = {flag for command in commands for flag in re.findall(r"--(\w+)", command)}
        assert used <= known
    assert yaml.safe_load((ROOT / "launch" / "sky.yaml").read_text())["resources"]["use_spot"]


def test_the_table_of_times_follows_from_its_formula() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text()
    rows = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \|$", text, re.MULTILINE)
    assert len(rows) == 5
    (told,) = re.findall(r"([\d,]+) member-steps in (\d+) s on (\d) CPU cores", text)
    steps, seconds, cores = (float(number.replace(",", "")) for number in told)
    rate = steps / seconds
    for members, machines, hours, core_hours in rows:
        count, parts = (float(number.replace(",", "")) for number in (members, machines))
        assert float(hours) == pytest.approx(count * 3000 / (rate * parts) / 3600, abs=0.006)
        assert float(core_hours) == pytest.approx(cores * 1e6 / rate / 3600, abs=0.006)
