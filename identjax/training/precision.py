"""In which numbers a member is trained. Checks, snapshots and evaluation are float32 in each."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from identjax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Precision:
    """The dtype of parameters and steps, what JAX calls the precision of products of matrices,
    and the platform that cannot compute in it.
    """

    dtype: type[np.floating[Any]]
    products: str
    missing_on: str = ""

    @contextlib.contextmanager
    def enabled(self) -> Iterator[None]:
        """Enter the scope in which programs of this precision are made and called.

        JAX has double precision only where it is asked for; what is single there is promoted.
        """
        if self.dtype is not np.float64:
            yield
            return
        with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
            yield

    def cast(self, params: Any) -> Any:
        """Give parameters in the dtype of the training."""
        return jax.tree.map(lambda leaf: leaf.astype(self.dtype), params)


PRECISIONS = {
    # An accelerator's own default for products is less than float32.
    "float32": Precision(np.float32, "float32"),
    "bfloat16": Precision(np.float32, "BF16_BF16_F32", missing_on="cpu"),
    "float64": Precision(np.float64, "float32", missing_on="tpu"),
}


def check_precision(name: str) -> None:
    """Refuse what XLA would make in other numbers after all."""
    if PRECISIONS[name].missing_on == jax.default_backend():
        raise ConfigError("precision", name, f"float32, on a {jax.default_backend().upper()}")
