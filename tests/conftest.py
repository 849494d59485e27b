"""Strict JAX for every test, on two CPU devices, with programs that are compiled once."""

import os
import tempfile

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Compiling takes most of the time of the tests: what one worker, or a command that it starts, has
# compiled serves the others too. With a size there is a lock, without which half a file is read.
CACHE = {
    "jax_persistent_cache_min_compile_time_secs": 0.2,
    "jax_compilation_cache_max_size": 1 << 30,
}


def pytest_configure(config: pytest.Config) -> None:
    """Share compiled programs; compile the default tests without LLVM's optimizer.

    The slow tests run what users run.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="jax-")
        config.add_cleanup(folder.cleanup)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name
        os.environ |= {name.upper(): str(value) for name, value in CACHE.items()}
    jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
    for name, value in CACHE.items():
        jax.config.update(name, value)
    if config.option.markexpr == "not slow":
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
