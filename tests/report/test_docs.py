"""What docs/report.md says can be done."""

import pathlib
import re

import pytest

from identjax import report
from identjax.report.block import BLOCKS
from tests.registries import temporarily
from tests.report.files import read_csv
from tests.report.planted import plant

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "report.md"


def test_the_examples_of_the_docs_run(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = plant(tmp_path / "results" / "quickstart", seeds=4, architectures=("lstm",))
    monkeypatch.chdir(tmp_path)
    mine, *_, example = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)
    with temporarily(BLOCKS):
        exec(mine, {})
        report.write(store.workdir)
    assert [(row["cell"], row["rate"]) for row in read_csv(store, "best")] == [("lstm", "0.8")]
    exec(example, {})
    headline, *rates = capsys.readouterr().out.splitlines()
    assert headline.startswith("4 of 4 members come within 0.01 nats")
    assert "lstm R1 0.5" in "\n".join(rates)
