"""Registries: names that are taken, entries for a while, and entries that load late."""

import pathlib

import pytest

from identjax.errors import ConfigError
from identjax.registry import Registry, read_pairs
from tests.registries import temporarily


def paint() -> str:
    return "red"


class Brush:
    pass


def test_a_name_that_is_taken_names_both_places() -> None:
    things: Registry[object] = Registry("thing")
    things.register("red")(paint)
    with pytest.raises(ConfigError) as caught:
        things.register("green", "red")(Brush)
    said = str(caught.value)
    for entry in (paint, Brush):
        line = next(
            number
            for number, text in enumerate(pathlib.Path(__file__).read_text().splitlines(), 1)
            if text.startswith((f"def {entry.__name__}(", f"class {entry.__name__}:"))
        )
        assert f"{__file__}:{line}" in said
    assert "\n" not in said
    assert "green" not in things
    things.register("one")(1)
    with pytest.raises(ConfigError, match=rf"thing='one'.*{__name__.split('.')[-1]}.py:\d+.*:\d+"):
        things.register("one")(2)


def test_what_is_registered_for_a_while_is_forgotten() -> None:
    things: Registry[int] = Registry("thing")
    things.register("one")(1)
    with temporarily(things, "two", 2):
        things.register("three", "drei")(3)
        assert list(things) == ["one", "two", "three"]
    assert list(things) == ["one"]
    assert "drei" not in things
    with pytest.raises(ConfigError, match="thing='one'"), temporarily(things, "one", 2):
        pass
    assert things["one"] == 1


@pytest.mark.parametrize("read", [list, lambda all: "late" in all, lambda all: all["late"]])
def test_loaders_run_once_before_a_name_is_looked_for(read) -> None:
    things: Registry[int] = Registry("thing")
    called = []

    def load() -> None:
        called.append(1)
        assert "late" not in things
        things.register("late")(2)

    things.before_reading(load)
    things.register("early")(1)
    assert not called
    assert read(things)
    assert sorted(things) == ["early", "late"]
    assert called == [1]


def test_a_wrong_name_looks_at_what_loads_late() -> None:
    things: Registry[int] = Registry("thing")
    things.before_reading(lambda: things.register("crimson")(1) and None)
    with pytest.raises(ConfigError, match="did you mean 'crimson'"):
        things.canonical("crimsn")


def test_pairs_are_numbers_where_they_look_like_it() -> None:
    assert read_pairs("option", ["kinds=3", "rate=1e-3", "gres=gpu:1", "note=a=b"]) == {
        "kinds": 3,
        "rate": 1e-3,
        "gres": "gpu:1",
        "note": "a=b",
    }
    with pytest.raises(ConfigError, match="option='kinds': NAME=VALUE"):
        read_pairs("option", ["kinds"])
