"""Every shipped config says what it claims, and becomes members."""

import collections
import importlib.util
import itertools
import json
import pathlib
from types import ModuleType

import pytest

from identjax.models.model import MODELS
from identjax.sweep.plan.groups import Plan, make_plan
from identjax.sweep.plan.request import Request, make_request, read_source
from tests.sweep.sources import plant_source

ROOT = pathlib.Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.py"))


def load(path: pathlib.Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def request_of(path: pathlib.Path, *variant: str) -> Request:
    return make_request(":".join([str(path), *variant]))


def plan_of(request: Request) -> Plan:
    # With a width, because the rule for it traces a step of every group.
    config = {**request.config, "width": 1}
    return make_plan(config, request.sweep, extra_fields=request.sweep_fields)


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_a_config_has_a_header_and_members(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    module, request = load(path), request_of(path)
    assert module.__doc__ is not None
    assert "Claim:" in module.__doc__
    assert "Command:" in module.__doc__
    assert request.sweep == module.get_sweep()
    source, workdir = read_source(request, str(tmp_path))
    if source:
        plant_source(pathlib.Path(workdir), plan_of(source), request.config["start_from"]["rung"])
    assert len(plan_of(request).members) == len(request.sweep)


def test_a_source_without_a_config_or_in_a_folder_of_its_own_is_left_as_it_is() -> None:
    request = request_of(ROOT / "configs" / "case_fine_tuning.py", "smoke")
    request.config["start_from"] = {"workdir": "elsewhere", "rung": "0.1"}
    assert read_source(request, "results/x") == (None, "elsewhere")
    del request.config["start_from"]
    assert read_source(request, "results/x") == (None, "")


def test_case_3_chooses_rates_by_controls_on_starts_that_it_does_not_report() -> None:
    module = load(ROOT / "configs" / "case_fine_tuning.py")
    for sizes in (module.FULL, module.SMOKE):
        members = module.get_sweep(**sizes)
        select, report = ([m for m in members if m["role"] == r] for r in ("select", "report"))
        assert not {m["init_seed"] for m in select} & {m["init_seed"] for m in report}
        assert {m["change"] for m in select} == {"none", "permute"}
        assert not any("alpha" in m for m in select)
        assert {m["learning_rate"] for m in select} == {m["learning_rate"] for m in report}
        scales = {m["alpha"] for m in report if m["change"] == "rescale"}
        assert {0.01, 0.25, 0.5, 1, 2, 4, 100} <= scales
        source = module.get_sweep(**sizes, stage="source")
        assert {m["init_seed"] for m in source} == {m["init_seed"] for m in members}


def test_the_arms_of_case_1_have_the_same_seeds() -> None:
    path = ROOT / "configs" / "case_rule_extrapolation.py"
    for variant in ((), ("smoke",)):
        plan = plan_of(request_of(path, *variant))
        arms = collections.Counter((m.architecture, m.objective) for m in plan.members)
        assert {objective for _, objective in arms} == {"mle", "oracle", "adversarial"}
        assert set(arms.values()) == {8 if variant else 64}


def test_case_2_has_two_sizes_of_everything_and_flips_where_the_others_stand() -> None:
    path = ROOT / "configs" / "case_in_context.py"
    for variant, seeds in ((), 4), (("smoke",), 2):
        plan = plan_of(request_of(path, *variant))
        arms = collections.Counter(
            (m.language, m.architecture, json.dumps(m.model), m.objective) for m in plan.members
        )
        assert set(arms.values()) == {seeds}
        sizes = collections.Counter((*arm[:2], arm[3]) for arm in arms)
        pairs = itertools.product(("ginc", "regbench"), ("transformer", "lstm"))
        assert sizes == {("ginc", "lstm", "flip"): 1} | {(*pair, "mle"): 2 for pair in pairs}
        flips = [arm for arm in arms if arm[3] == "flip"]
        assert all((*arm[:3], "mle") in arms for arm in flips)
        assert all(m.steps % m.check_every == 0 for m in plan.members)


def test_rule_extrapolation_crosses_everything_and_its_block_touches_everything() -> None:
    path = ROOT / "configs" / "rule_extrapolation.py"
    module, whole = load(path), plan_of(request_of(path))
    cells = collections.Counter((m.language, m.architecture, m.optimizer) for m in whole.members)
    languages, architectures, optimizers = (set(found) for found in zip(*cells, strict=True))
    assert len(cells) == len(languages) * len(architectures) * len(optimizers)
    assert set(cells.values()) == {8}
    assert architectures == set(module.ARCHITECTURES) <= set(MODELS)
    assert (len(architectures), len(whole.members), len(whole.groups)) == (10, 1440, 180)
    block = plan_of(request_of(path, "smoke"))
    pairs = collections.Counter((m.language, m.architecture) for m in block.members)
    assert set(collections.Counter(language for language, _ in pairs).items()) == {
        (language, 2) for language in languages
    }
    assert {architecture for _, architecture in pairs} == architectures
    assert set(pairs.values()) == {8}
    assert len(block.members) == 96


def test_smoothed_crosses_architectures_and_seeds_at_several_shares_of_noise() -> None:
    path = ROOT / "configs" / "smoothed.py"
    for variant, arms, seeds in ((), 6, 16), (("smoke",), 2, 8):
        plan = plan_of(request_of(path, *variant))
        cells = collections.Counter(
            (json.dumps(m.language_options), m.architecture) for m in plan.members
        )
        assert (len(cells), set(cells.values())) == (arms, {seeds})
        assert all(m.truth.support() is not None for m in plan.members)
