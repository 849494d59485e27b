"""The README's Python runs."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parent.parent


def test_python_of_the_readme_that_needs_no_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    config: dict[str, object] = {}
    exec(blocks[0], config)
    from identjax.sweep.plan.groups import make_plan

    plan = make_plan(config["get_config"]().to_dict(), config["get_sweep"]())  # type: ignore[operator]
    assert len(plan.members) == 24
    rule: dict[str, object] = {}
    exec(blocks[1], rule)
    assert rule["lang"].count == 5  # type: ignore[attr-defined]


def test_links_of_the_readme_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
