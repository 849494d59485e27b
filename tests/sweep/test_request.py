"""A config file becomes members in Python as it does under a command."""

import pathlib
import re

import pytest

from identjax.errors import ConfigError
from identjax.store import Store
from identjax.sweep.plan.request import make_request
from identjax.sweep.run import run_sweep
from tests.sweep.harness import prepare_once

CONFIG = """
from ml_collections import ConfigDict
from identjax.axes import axis

PUBLISHED = [{"figure": 1}]

def get_config(variant=""):
    return ConfigDict(dict(
        language="L3", max_length=6, architecture="lstm",
        model={"lstm": {"hidden": 4, "embedding": 4}}, learning_rate=0.05, steps=20, warmup=2,
        check_every=5, rungs=(1.0, 0.5), width=2, seeds=2 if variant == "small" else 5))

def get_sweep(seeds):
    return [seed | {"steps": 15} for seed in axis("init_seed", range(seeds))]
"""


@pytest.fixture
def config(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "tiny.py"
    path.write_text(CONFIG)
    return str(path)


def test_a_path_and_changes_become_a_plan_that_runs(config: str, tmp_path: pathlib.Path) -> None:
    request = make_request(f"{config}:small", {"steps": 10, "model.lstm.hidden": 5})
    plan = request.plan()
    assert {(m.steps, m.model["hidden"], m.init_seed) for m in plan.members} == {
        (10, 5, 0),
        (10, 5, 1),
    }
    assert request.published == [{"figure": 1}]
    store = Store(tmp_path / "run")
    assert run_sweep(plan, store, request.facts, prepare=prepare_once) == {"done": 2}
    sweep = store.read_sweep()
    assert sweep is not None
    assert sweep["config"]["model"] == {"lstm": {"hidden": 5, "embedding": 4}}


def test_what_is_not_changed_is_as_the_file_says(config: str) -> None:
    members = make_request(config).plan().members
    assert {(m.steps, m.model["hidden"]) for m in members} == {(15, 4)}
    assert len(members) == 5


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"learning_rat": 1.0}, ["learning_rat", "did you mean 'learning_rate'"]),
        ({"model.lstm.hiden": 4}, ["hiden", "did you mean 'hidden'"]),
        ({"steps.more": 4}, ["more"]),
        ({"learning_rate": "high"}, ["learning_rate='high'", "float"]),
    ],
)
def test_a_change_of_what_is_not_there_is_refused_by_name(
    config: str, overrides: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        make_request(config, overrides).plan()
    assert [word for word in words if word not in str(caught.value)] == []


def test_files_that_are_no_configs_are_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty.py").write_text("")
    for source, words in (("missing.py", "exists"), ("empty.py", "get_sweep")):
        with pytest.raises(ConfigError, match=f"config=.*{source}.*{words}"):
            make_request(str(tmp_path / source))


def test_the_page_on_python_says_how(
    config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (pathlib.Path(__file__).parents[2] / "docs" / "python.md").read_text()
    (cell,) = re.findall(r"```python\n(.*?)```", page.partition("## Training from Python")[2], re.S)
    monkeypatch.chdir(pathlib.Path(config).parent)
    said: dict[str, object] = {}
    exec(cell.replace("configs/quickstart.py", config).replace('"steps": 100', '"steps": 10'), said)
    assert said["counts"] == {"done": 5}
    assert capsys.readouterr().out.startswith("5 ")
