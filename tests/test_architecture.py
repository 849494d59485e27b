"""The house keeps its shape: imports point downward, names say one thing, files stay small."""

import ast
import collections
import inspect
import pathlib
import sys
from collections.abc import Iterator, Mapping

import pytest

import identjax
from identjax.registry import Registry
from identjax.report.block import BLOCKS

ROOT = pathlib.Path(__file__).parent.parent

# A room may import from itself and from rooms with a smaller number.
FLOORS = {
    "launch": 9,
    "identjax.studies": 8,
    "identjax.report": 7,
    "identjax.evaluation": 6,
    "identjax.sweep": 5,
    "identjax.training": 4,
    "identjax.models": 3,
    "identjax.languages": 3,
    "identjax.statistics": 1,
}
FILES = 0  # predictor, registry, keys, vocabulary and the like; store and checkpoint know no models
STORAGE, LOWEST_READER = {"identjax.store", "identjax.checkpoint"}, FLOORS["identjax.sweep"]
# In these, the folder completes the name of a file.
KINDS_OF_ENTRIES = {"known", "families", "blocks", "figures", "measures", "studies"}

LONG_FILES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {
    "identjax/predictor.py:complete_stack": 45,  # one loop, read with its carry in sight
}
FILE_LIMIT, FUNCTION_LIMIT, COMMAND_LIMIT = 400, 40, 60
HOUSE = (".", "identjax", "launch")


def sources(*folders: str) -> list[pathlib.Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_of(path: pathlib.Path, root: pathlib.Path = ROOT) -> str:
    parts = path.relative_to(root).with_suffix("").parts
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

    Results are read and written from the sweep upward only. Statistics know arrays alone. Relative
    imports hide their floor, and all are listed.
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
        closed = room == "identjax.statistics"
        if upward or files or front or closed or target.startswith((".", "configs")):
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
        ("identjax.training.step", "from identjax.sweep.engine.group_run import GroupRun"),
        ("identjax.training.step", "from identjax.evaluation import rates"),
        ("identjax.sweep.run", "from identjax.evaluation.evaluate import evaluate"),
        ("identjax.evaluation.measure", "from identjax.report.block import BLOCKS"),
        ("identjax.report.page", "def f():\n    import identjax.studies"),
        ("identjax.statistics.intervals", "from identjax.query import where"),
        ("identjax.models.families.lstm", "import identjax.languages.language"),
        ("identjax.store", "from identjax import models"),
        ("identjax.sweep.run", "import identjax"),
        ("identjax.report.page", "def f():\n    from launch import common"),
        ("identjax.training.step", "from identjax.store import Store"),
        ("identjax.predictor", "from identjax import checkpoint"),
        ("identjax.models.families.lstm", "from ..languages import language"),
        ("launch.sweep", "from configs import quickstart"),
    ],
)
def test_an_upward_import_is_seen(module: str, text: str) -> None:
    assert upward_imports(module, text) != []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("identjax", "from identjax.sweep.folder.load import Run as open"),
        ("identjax.sweep.run", "from identjax import models, store"),
        ("identjax.store", "from identjax.checkpoint import digest_leaves"),
        ("identjax.models.model", "from identjax.models import parts\nimport identjax.predictor"),
        ("identjax.training.step", "import jax, flax.linen"),
        ("identjax.studies.order.show", "from identjax.report.block import block"),
        ("launch.sweep", "import identjax\nfrom identjax import report"),
    ],
)
def test_a_downward_import_is_allowed(module: str, text: str) -> None:
    assert upward_imports(module, text) == []


def file_imports(texts: Mapping[str, str]) -> dict[str, set[str]]:
    """Say which files each file imports, in a function or for types alone included."""
    found = {}
    for module, text in texts.items():
        targets = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                targets |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{name.name}" for name in node.names}
                targets |= {name if name in texts else node.module for name in inner}
        found[module] = {name for name in targets & texts.keys() if name != module}
    return found


def find_circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Take away files that import nothing left, as often as there are some; the rest go round."""
    left = {module: set(targets) for module, targets in imports.items()}
    while free := {module for module, targets in left.items() if not targets & left.keys()}:
        left = {module: targets for module, targets in left.items() if module not in free}
    circles = []
    for module in sorted(left):
        path = [module]
        while (following := min(left[path[-1]] & left.keys())) not in path:
            path.append(following)
        circle = path[path.index(following) :]
        if circle not in circles and min(circle) == circle[0]:
            circles.append(circle)
    return circles


def test_no_two_files_import_each_other_however_long_the_way() -> None:
    files = sources("identjax", "launch")
    assert find_circles(file_imports({module_of(p): p.read_text() for p in files})) == []


@pytest.mark.parametrize(
    ("texts", "circle"),
    [
        ({"a": "import b", "b": "def f():\n    import a"}, ["a", "b"]),
        (
            {"p.a": "from p import b", "p.b": "from p.c import x", "p.c": "from p.a import y"},
            ["p.a", "p.b", "p.c"],
        ),
        (
            {"a": "if TYPE_CHECKING:\n    from b import B", "b": "import a", "c": "import a"},
            ["a", "b"],
        ),
    ],
)
def test_a_circle_is_seen(texts: dict[str, str], circle: list[str]) -> None:
    assert find_circles(file_imports(texts)) == [circle]


def registries() -> Iterator[Registry[object]]:
    """Go through all registries of the house."""
    list(BLOCKS)  # what is shown is loaded late
    seen: set[int] = set()
    for name, module in sorted(sys.modules.items()):
        for value in vars(module).values() if name.split(".")[0] == "identjax" else ():
            if isinstance(value, Registry) and id(value) not in seen:
                seen.add(id(value))
                yield value


def names_of_studies() -> set[str]:
    """List the names that a study registers, with those of its tables and of its room."""
    folder = pathlib.Path(identjax.__file__).parent / "studies"
    found = {path.name for path in folder.iterdir() if (path / "measure.py").exists()}
    others: set[str] = set()
    for registry in registries():
        for name in registry:
            own = str(folder) in registry.place_of(name)
            (found if own else others).add(name)
            tables = getattr(registry[name], "tables", {})
            (found if own else others).update(tables)
    return found - others


def test_only_studies_know_studies() -> None:
    names = names_of_studies()
    assert {"in_context", "fine_tuning", "flip", "in_context_swaps"} <= names
    for path in sources("identjax", "launch"):
        if "studies" in path.relative_to(ROOT).parts:
            continue
        tree = ast.parse(path.read_text())
        strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert not {str(value) for value in strings} & names, path
        rooms = {n for n in imports_in(path.read_text()) if n.startswith("identjax.studies.")}
        assert not rooms, path


def test_a_name_says_one_file_and_one_class() -> None:
    files, classes = collections.defaultdict(list), collections.defaultdict(list)
    for path in sources("identjax"):
        inside = KINDS_OF_ENTRIES & set(path.relative_to(ROOT).parts[:-1])
        if path.name != "__init__.py" and not inside:
            files[path.name].append(str(path))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                classes[node.name].append(str(path))
    assert {name: paths for name, paths in files.items() if len(paths) > 1} == {}
    assert {name: paths for name, paths in classes.items() if len(paths) > 1} == {}


def undocumented(module: str) -> Iterator[str]:
    """Name the public methods of which neither they nor what they override say what they do."""
    for name, found in vars(sys.modules[module]).items():
        if not (inspect.isclass(found) and found.__module__ == module):
            continue
        for method in vars(found).keys() - found.__annotations__.keys():
            said = [vars(base)[method] for base in found.__mro__ if method in vars(base)]
            public = not method.startswith("_") and callable(getattr(found, method))
            if public and not any(map(inspect.getdoc, said)):
                yield f"{module}.{name}.{method}"


def test_every_public_method_says_what_it_does_or_overrides_one_that_does() -> None:
    list(BLOCKS)
    modules = [name for name in sys.modules if f"{name}.".startswith("identjax.")]
    assert [method for module in modules for method in undocumented(module)] == []


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
