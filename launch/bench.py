"""Measure identjax against its peers and the machine's own ceiling, in alternating rounds.

python -m launch.bench --suite=train,queue,evaluate,generate,pairwise,languages,models
"""

import os
import pathlib
import shlex
import sys

from absl import flags

from identjax.errors import unknown_name
from launch import common
from launch.benchmarks import machine, outcome
from launch.benchmarks.peers import TRAINERS
from launch.benchmarks.suites import SUITES
from launch.benchmarks.suites.options import Options, read_counts
from launch.benchmarks.timing import Effort

SUITE = flags.DEFINE_list("suite", list(SUITES), "What to measure.")
OUT = flags.DEFINE_string("out", "results/bench", "Where the results go.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds after the warm-up.", lower_bound=1)
SCALE = flags.DEFINE_enum("scale", "full", ["full", "smoke"], "smoke: seconds, and no figures.")
SIZE = flags.DEFINE_enum("size", "s", ["s", "p"], "The configuration of the suite train.")
MEMBERS = flags.DEFINE_list(
    "members", None, "Numbers of members of the suite train, such as 64,512."
)
ONLY = flags.DEFINE_list("only", [], "Languages or architectures to measure, such as L3 or lstm.")
PEERS = flags.DEFINE_list("peers", None, f"Peers of the suite train: {', '.join(TRAINERS)}.")


def main() -> None:
    """Run the suites; print each contest when it is over, and write a file per suite."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # peers need memory too
    smoke = SCALE.value == "smoke"
    # A trial compiles nothing that takes minutes, unless it is asked for.
    peers = PEERS.value or [name for name in TRAINERS if not (smoke and "compiled" in name)]
    for flag, names, known in (("suite", SUITE.value, SUITES), ("peers", peers, TRAINERS)):
        for name in names:
            if name not in known:
                raise unknown_name(flag, name, known)
    members, tell = read_counts(MEMBERS.value), lambda one: outcome.show(one, smoke)
    effort = Effort(ROUNDS.value, 0.0 if smoke else 0.5, smoke)
    command = shlex.join(["python", "-m", "launch.bench", *sys.argv[1:]])
    facts = {"command": command, "scale": SCALE.value, "rounds": ROUNDS.value}
    facts |= {"device": machine.describe_device(), "versions": machine.describe_versions()}
    outcome.greet(facts)
    ceiling = machine.measure_ceiling(effort)
    outcome.show(ceiling, smoke)
    options = Options(effort, SIZE.value, members, peers, ceiling, tell, tuple(ONLY.value))
    for suite in SUITE.value:
        found = [ceiling, *SUITES[suite](options)]
        name = "-".join([suite, *([SIZE.value] if suite == "train" else ONLY.value)])
        print(f"\nwritten: {outcome.write(pathlib.Path(OUT.value), name, facts, found)}")


if __name__ == "__main__":
    common.run(main)
