"""What docs/python.md says can be done with a results folder."""

import pathlib
import re

import numpy as np
import pytest

import identjax
from identjax.evaluation.evaluate import evaluate
from tests.sweep.harness import SEEDS, train

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "python.md"


def test_the_notebook_of_the_docs_runs(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    train(pathlib.Path("results/quickstart"), SEEDS[:2], rungs=())
    run = identjax.open("results/quickstart")
    evaluate(run, splits=["ood"], say=lambda line: None)
    notebook = DOCS.read_text().partition("## Training from Python")[0]
    cells = re.findall(r"```python\n(.*?)```", notebook, re.S)
    capsys.readouterr()
    said: dict[str, object] = {}
    for cell in cells:
        exec(cell, said)
    lines = capsys.readouterr().out.splitlines()
    distances = dict(line.split() for line in lines[-3:])
    known = run.evals("likelihood")
    near = dict(zip(known["member_id"].to_pylist(), known["kl_nats"].to_pylist(), strict=True))
    assert float(distances["first"]) == pytest.approx(near[said["least"]], rel=1e-4)
    assert float(distances["apart"]) > 0
    saved = np.load("member.npz")
    assert sum(array.size for array in saved.values()) > 100
    assert {array.dtype for array in saved.values()} == {np.dtype(np.float32)}
