"""The house keeps its shape: imports point downward, files and functions stay small."""

import ast
import pathlib
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parent.parent

# A room may import from itself and from rooms with a smaller number.
FLOORS = {
    "launch": 7,
    "identjax.report": 6,
    "identjax.analysis": 5,
    "identjax.sweep": 4,
    "identjax.evaluation": 3,
    "identjax.training": 3,
    "identjax.models": 2,
    "identjax.languages": 2,
}
FILES = 0  # predictor, registry, keys, vocabulary and the like; store and checkpoint know no models
STORAGE, LOWEST_READER = {"identjax.store", "identjax.checkpoint"}, FLOORS["identjax.sweep"]

LONG_FILES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {
    "identjax/predictor.py:complete_stack": 45,  # one loop, read with its carry in sight
    "tests/report/planted.py:plant": 42,  # one line for each table of a results folder
}
FILE_LIMIT, FUNCTION_LIMIT, COMMAND_LIMIT = 300, 40, 60
HOUSE = (".", "identjax", "launch")


def sources(*folders: str) -> list[pathlib.Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_of(path: pathlib.Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    return next((room for room in FLOORS if f"{module}.".startswith(f"{room}.")), module)


def imports_in(text: str) -> Iterator[str]:
    """Name what is imported, wherever it stands; a relative import keeps its dots."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.ImportFrom) and node.module == "identjax":
            yield from (f"identjax.{name.name}" for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def upward_imports(module: str, text: str) -> list[str]:
    """List what a module imports from its own floor or above, its own room aside.

    Results are read and written from the sweep upward only. Relative imports hide their floor, and
    all are listed.
    """
    if module == "identjax":
        return []
    room, floor = room_of(module), FLOORS.get(room_of(module), FILES)
    found = []
    for target in imports_in(text):
        other = room_of(target)
        if target.split(".")[0] not in ("", "identjax", "launch", "configs") or other == room:
            continue
        upward = other in FLOORS and FLOORS[other] >= floor
        files = other in STORAGE and floor < LOWEST_READER and room not in STORAGE
        front = other == "identjax" and room != "launch"
        if upward or files or front or target.startswith((".", "configs")):
            found.append(target)
    return found


def test_imports_point_downward() -> None:
    files = sources("identjax", "launch")
    found = {module_of(path): upward_imports(module_of(path), path.read_text()) for path in files}
    assert {module: targets for module, targets in found.items() if targets} == {}


def test_configs_import_nothing_but_axes() -> None:
    for path in sources("configs"):
        targets = {name for name in imports_in(path.read_text()) if name.startswith(HOUSE)}
        assert targets <= {"identjax.axes"}, path


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("identjax.training.step", "from identjax.sweep.engine import GroupRun"),
        ("identjax.training.step", "from identjax.evaluation import rates"),
        ("identjax.models.families.lstm", "import identjax.languages.language"),
        ("identjax.store", "from identjax import models"),
        ("identjax.sweep.run", "import identjax"),
        ("identjax.report.page", "def f():\n    from launch import common"),
        ("identjax.training.step", "from identjax.store import Store"),
        ("identjax.predictor", "from identjax import checkpoint"),
        ("identjax.models.families.lstm", "from ..languages import base"),
        ("launch.sweep", "from configs import quickstart"),
    ],
)
def test_an_upward_import_is_seen(module: str, text: str) -> None:
    assert upward_imports(module, text) != []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("identjax", "from identjax.sweep.folder.load import open_run as open"),
        ("identjax.sweep.run", "from identjax import models, store"),
        ("identjax.store", "from identjax.checkpoint import digest_leaves"),
        (
            "identjax.models.families.lstm",
            "from identjax.models import layers\nimport identjax.predictor",
        ),
        ("identjax.training.step", "import jax, flax.linen"),
        ("launch.sweep", "import identjax\nfrom identjax import report"),
    ],
)
def test_a_downward_import_is_allowed(module: str, text: str) -> None:
    assert upward_imports(module, text) == []


def function_lengths(path: pathlib.Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{path.relative_to(ROOT)}:{node.name}", node.end_lineno - node.lineno + 1


def test_files_and_functions_are_short_or_agreed() -> None:
    """A new entry in these tables is a decision; one that is no longer needed is removed."""
    files = sources("identjax", "launch", "configs", "tests")
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    functions = dict(pair for path in files for pair in function_lengths(path))
    assert {name for name, n in lines.items() if n > FILE_LIMIT} == set(LONG_FILES)
    assert {name for name, n in functions.items() if n > FUNCTION_LIMIT} == set(LONG_FUNCTIONS)
    assert all(lines[name] <= most for name, most in LONG_FILES.items())
    assert all(functions[name] <= most for name, most in LONG_FUNCTIONS.items())


def test_commands_are_thin() -> None:
    commands = [path for path in sources("launch") if '__name__ == "__main__"' in path.read_text()]
    assert commands
    assert {
        path.name for path in commands if len(path.read_text().splitlines()) > COMMAND_LIMIT
    } == set()
