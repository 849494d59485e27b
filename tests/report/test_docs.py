"""What docs/report.md says can be done."""

import pathlib
import re

import pytest

from tests.report.planted import plant

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "report.md"


def test_the_example_of_the_docs_runs(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(tmp_path / "results" / "quickstart", seeds=4, architectures=("lstm",))
    monkeypatch.chdir(tmp_path)
    *_, example = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)
    exec(example, {})
    headline, *rates = capsys.readouterr().out.splitlines()
    assert headline.startswith("4 of 4 members come within 0.01 nats")
    assert "lstm R1 0.5" in "\n".join(rates)
