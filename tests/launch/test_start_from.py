"""One command trains what a sweep starts from, then the sweep; each of them resumes."""

import pathlib

import pytest

from identjax.store import Store
from tests.launch.test_sweep_command import sweep
from tests.sweep.harness import final_digests

CONFIG = """
from ml_collections import ConfigDict
from identjax.axes import axis, product

def get_config(variant=""):
    config = ConfigDict(dict(
        language="L3", max_length=6, architecture="lstm", model={"lstm": {"hidden": 4}},
        learning_rate=0.05, steps=20, check_every=5, rungs=(100.0,), width=1, stage="source"))
    if variant != "source":
        config.update(dict(language="anbnan", stage="tune"))
        config.start_from = ConfigDict(dict(config="PATH:source", workdir="", rung="100"))
    return config

def get_sweep(stage="tune"):
    seeds = axis("init_seed", range(2))
    return seeds if stage == "source" else product(seeds, axis("change", ["none", "permute"]))
"""


@pytest.mark.slow
def test_one_command_trains_the_source_first(tmp_path: pathlib.Path) -> None:
    config, workdir = tmp_path / "tiny.py", tmp_path / "run"
    config.write_text(CONFIG.replace("PATH", str(config)))
    flags = f"--config={config}", f"--workdir={workdir}"
    code, out, error = sweep(*flags, "--dry_run")
    assert (code, workdir.exists()) == (0, False), error
    assert "which is not there yet" in out
    code, out, error = sweep(*flags)
    assert code == 0, error
    assert f"2 members in {workdir}/source: 2 done" in out
    assert f"4 members in {workdir}: 4 done" in out
    before = final_digests(Store(workdir))
    code, out, error = sweep(*flags)
    assert (code, final_digests(Store(workdir))) == (0, before), error
    code, _, error = sweep(*flags, "--config.start_from.rung=7")
    assert (code, "start_from.rung='7'" in error) == (2, True)
