"""Bring docs/architectures.md up to date: python -m tests.models.make_table."""

import pathlib
from collections.abc import Iterable

import jax
import jax.numpy as jnp

from identjax import models
from identjax.models import Model
from identjax.models.costs import count_operations, count_parameters
from identjax.vocabulary import Vocabulary

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "architectures.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
LENGTHS = {"small": 32, "paper": 256}


def count_parallel(model: Model) -> float:
    """Count floating-point operations per token of the parallel form, on a row of full length."""
    params = jax.eval_shape(model.init, jax.random.key(0))
    t = model.max_length + 2
    tokens = jax.ShapeDtypeStruct((1, t), jnp.int32)
    return count_operations(model.logits, params, tokens) / t


def count_step(model: Model) -> float:
    """Count floating-point operations of one cached step."""
    params = jax.eval_shape(model.init, jax.random.key(0))
    cache = jax.eval_shape(model.start, params)
    token = jax.ShapeDtypeStruct((), jnp.int32)
    return count_operations(model.advance, params, cache, token)


def write_number(x: float) -> str:
    """Two significant figures, as exact operation counts differ a little between jax versions."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if x >= unit:
            return f"{float(f'{x / unit:.2g}'):g}{name}"
    return f"{x:.2g}"


def make_table(names: Iterable[str]) -> str:
    lines = [
        "| architecture | preset | max length | parameters | FLOPs per token read, in parallel "
        "| FLOPs per token generated |",
        "|---|---|---|---|---|---|",
    ]
    for name in names:
        for preset, length in LENGTHS.items():
            model = models.make(
                name, vocabulary=Vocabulary(("a", "b")), max_length=length, preset=preset
            )
            flops = " | ".join(write_number(f(model)) for f in (count_parallel, count_step))
            size = f"{count_parameters(model):,}"
            lines.append(f"| {name} | {preset} | {length} | {size} | {flops} |")
    return "\n".join(lines) + "\n"


def split_page() -> tuple[str, str, str]:
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    table, after = rest.split(END)
    return before, table, after


def names_in(table: str) -> list[str]:
    """The architectures that have rows, in their order."""
    return list(
        dict.fromkeys(row.split(" | ")[0].removeprefix("| ") for row in table.splitlines()[2:])
    )


if __name__ == "__main__":
    before, table, after = split_page()
    # Those that are not there yet come last.
    names = dict.fromkeys([*names_in(table), *models.MODELS])
    PAGE.write_text(before + BEGIN + make_table(names) + END + after, encoding="utf-8")
