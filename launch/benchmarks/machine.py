"""The machine: what it is, how fast it multiplies and copies, and how much memory was taken."""

import importlib.metadata
import os
import pathlib
import platform
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from identjax.stacks import member_mesh
from identjax.version import VERSION
from launch.benchmarks.timing import Case, Contest, Effort, Spread, compete

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "torch")


def describe_device() -> dict[str, Any]:
    """Name the devices, the processor, and the load that others put on it."""
    device = jax.devices()[0]
    return {
        "platform": device.platform,
        "kind": device.device_kind,
        "count": jax.device_count(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
    }


def describe_versions() -> dict[str, str]:
    """Name the versions of what is measured."""
    found = {"identjax": VERSION, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def _processor() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), "?")


def measure_ceiling(effort: Effort) -> Contest:
    """Time a large matrix product and a large copy, one on each device at the same time."""
    on_cpu, devices = jax.default_backend() == "cpu", jax.device_count()
    side = effort.pick(1536 if on_cpu else 8192, 64)
    words = effort.pick(1 << (24 if on_cpu else 30), 1 << 10)
    a, b = (_spread(jnp.ones((devices, side, side), jnp.float32)) for _ in range(2))
    block = _spread(jnp.ones((devices, words), jnp.float32))
    multiply, copy = jax.jit(jnp.matmul), jax.jit(lambda x: x + 1)
    flops, moved = 2.0 * devices * side**3, 2.0 * devices * words * 4
    product = Case("matrix product", lambda: multiply(a, b), flops, {"side": side})
    copying = Case("copy", lambda: copy(block), moved, {"bytes_each": words * 4})
    contest = compete("the machine's ceiling", "operation or byte", [product, copying], effort, "")
    contest.facts = {
        "flops_per_second": 1 / contest.seconds["matrix product"].median,
        "bytes_per_second": 1 / contest.seconds["copy"].median,
        "precision": "float32 as XLA multiplies it by default",
    }
    return contest


def _spread(leading: Any) -> Any:
    """Put one slice on each device."""
    mesh = member_mesh(jax.device_count())
    return jax.device_put(leading, NamedSharding(mesh, PartitionSpec("member")))


def floor_seconds(ceiling: Contest, flops: float, least_bytes: float) -> dict[str, float]:
    """Give the time below which the machine cannot do some work: the longer of two."""
    by_flops = flops / ceiling.facts["flops_per_second"]
    by_bytes = least_bytes / ceiling.facts["bytes_per_second"]
    return {
        "flops": flops,
        "least_bytes": least_bytes,
        "floor_seconds": max(by_flops, by_bytes),
        "floor_by_flops": by_flops,
        "floor_by_bytes": by_bytes,
    }


def share(floor: float, seconds: Spread) -> Spread:
    """Say what share of the ceiling was reached, round by round."""
    return Spread(tuple(floor / value for value in seconds.rounds))


def free_bytes() -> float:
    """Give the memory that one more program may take, over all devices."""
    found = jax.devices()[0].memory_stats()
    if jax.default_backend() != "cpu" and found and "bytes_limit" in found:
        return float(found["bytes_limit"] - found["bytes_in_use"]) * jax.device_count()
    return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def forget_peak() -> None:
    """Let the peak of resident memory begin anew, where the system can."""
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_bytes() -> dict[str, float]:
    """Give the peak of resident memory since `forget_peak`, and that of the device."""
    found = {}
    try:
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
        high = next(line for line in lines if line.startswith("VmHWM"))
        found["peak_resident_bytes"] = 1024.0 * int(high.split()[1])
    except (OSError, StopIteration):
        pass
    device = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in device:
        found["peak_device_bytes"] = float(device["peak_bytes_in_use"])
    return found
