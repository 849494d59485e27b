"""Every shipped config says what it claims, and becomes members."""

import collections
import importlib.util
import inspect
import pathlib
from types import ModuleType
from typing import Any

import pytest

from identjax.models.base import MODELS
from identjax.sweep.plan import Plan, make_plan
from launch.common import to_plain

CONFIGS = sorted((pathlib.Path(__file__).parent.parent / "configs").glob("*.py"))


def load(path: pathlib.Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plan_of(module: ModuleType, *variant: str) -> tuple[Plan, list[dict[str, Any]]]:
    config = to_plain(module.get_config(*variant))
    fields = [name for name in inspect.signature(module.get_sweep).parameters if name in config]
    sweep = module.get_sweep(**{name: config[name] for name in fields})
    return make_plan(config, sweep, extra_fields=fields), sweep


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_a_config_has_a_header_and_members(path: pathlib.Path) -> None:
    module = load(path)
    assert module.__doc__ is not None
    assert "Claim:" in module.__doc__
    assert "Command:" in module.__doc__
    plan, sweep = plan_of(module)
    assert sweep == module.get_sweep()
    assert len(plan.members) == len(sweep)


def test_rule_extrapolation_crosses_everything_and_its_block_touches_everything() -> None:
    module = load(CONFIGS[0].parent / "rule_extrapolation.py")
    whole, _ = plan_of(module)
    cells = collections.Counter((m.language, m.architecture, m.optimizer) for m in whole.members)
    languages, architectures, optimizers = (set(found) for found in zip(*cells, strict=True))
    assert len(cells) == len(languages) * len(architectures) * len(optimizers)
    assert set(cells.values()) == {8}
    assert architectures == set(MODELS)
    block, _ = plan_of(module, "smoke")
    pairs = collections.Counter((m.language, m.architecture) for m in block.members)
    assert set(collections.Counter(language for language, _ in pairs).items()) == {
        (language, 2) for language in languages
    }
    assert {architecture for _, architecture in pairs} == architectures
    assert set(pairs.values()) == {8}
