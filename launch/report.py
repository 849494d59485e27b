"""Draw the report of one results folder, or of several side by side; nothing is trained.

python -m launch.report --workdir=results/quickstart
"""

import sys

from absl import flags

from identjax import report
from launch import common

WORKDIR = flags.DEFINE_list("workdir", None, "The results folder; several, with commas, compare.")
OUT = flags.DEFINE_string("out", None, "Where to write the page; default: report/ in the workdir.")


def main() -> None:
    """Write the page, end with its headline and its path, and fail where a block did."""
    workdirs = [path for path in WORKDIR.value or [] if path]
    written = report.write([common.need("workdir", path) for path in workdirs or [""]], OUT.value)
    print(written.headline, written.path, sep="\n", flush=True)
    if written.failures:
        sys.exit("\n".join(f"report: {line}" for line in written.failures))


if __name__ == "__main__":
    common.run(main)
