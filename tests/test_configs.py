"""Every shipped config says what it claims, and becomes members."""

import importlib.util
import inspect
import pathlib
from types import ModuleType

import pytest

from identjax.sweep.plan import make_plan
from launch.common import to_plain

CONFIGS = sorted((pathlib.Path(__file__).parent.parent / "configs").glob("*.py"))


def load(path: pathlib.Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_a_config_has_a_header_and_members(path: pathlib.Path) -> None:
    module = load(path)
    assert module.__doc__ is not None
    assert "Claim:" in module.__doc__
    assert "Command:" in module.__doc__
    config = to_plain(module.get_config())
    fields = [name for name in inspect.signature(module.get_sweep).parameters if name in config]
    sweep = module.get_sweep(**{name: config[name] for name in fields})
    assert sweep == module.get_sweep()
    plan = make_plan(config, sweep, extra_fields=fields)
    assert len(plan.members) == len(sweep)
