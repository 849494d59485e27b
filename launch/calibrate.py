"""Simulate planted truths and say how often intervals and tests are right about them.

python -m launch.calibrate --designs=attribution --runs=1000 --out=FILE.json
"""

import inspect
import json
import pathlib
import shlex
import sys

from absl import flags

import launch.calibration  # noqa: F401 (registers designs)
from launch import common
from launch.benchmarks import machine
from launch.calibration.design import DESIGNS, choose, simulate

NAMES = flags.DEFINE_list("designs", [], "Designs, or what stands before the slash; else all.")
RUNS = flags.DEFINE_integer("runs", 1000, "Data sets per design.", lower_bound=1)
SEED = flags.DEFINE_integer("seed", 0, "Of the draws.", lower_bound=0)
OUT = flags.DEFINE_string("out", None, "A JSON file to write.")


def main() -> None:
    """Run the designs; print what each found, and write all of it to a file if there is one."""
    written = {}
    for name in choose(NAMES.value):
        found = simulate(name, RUNS.value, SEED.value)
        about = " ".join((inspect.getdoc(DESIGNS[name]) or "").split())
        print(f"\n{name}: {about}", flush=True)
        width = max(len(f"{one.source}, {one.quantity}") for one in found)
        for one in found:
            aim = f"   {one.aim}: {one.verdict}" if one.aim else ""
            print(f"  {f'{one.source}, {one.quantity}':<{width}}  {one.value: .3f}{aim}")
        written[name] = {"about": about, "found": [one.as_json() for one in found]}
    if OUT.value:
        command = shlex.join(["python", "-m", "launch.calibrate", *sys.argv[1:]])
        facts = {"command": command, "seed": SEED.value, "runs": RUNS.value}
        facts |= {"versions": machine.describe_versions(), "designs": written}
        path = pathlib.Path(OUT.value)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n")
        print(f"\nwritten: {path}")


if __name__ == "__main__":
    common.run(main)
