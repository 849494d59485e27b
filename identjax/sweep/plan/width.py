"""How many slots a device gets: what its members need, its memory holds, and its caches like."""

import dataclasses
import os

import jax

# Beyond these widths a slot costs no less, whatever it holds; see `--suite=train` of the bench.
_WIDEST = {"cpu": 16, "gpu": 512, "tpu": 512}
# Bytes of the slots of a device beyond which a step leaves a core's caches and slows down. On two
# cores the best width was 1 to 2 for steps of 2.7 MiB, 2 for 2.3 MiB and 8 for 0.65 MiB.
_WORKING_SET = {"cpu": 6 * 2**20}
_SHARE_OF_MEMORY = 0.5


@dataclasses.dataclass(frozen=True)
class Devices:
    """What the width depends on besides the members: how many devices, of which kind and memory."""

    count: int
    platform: str
    memory: float


def find_devices() -> Devices:
    """Describe the devices of this run."""
    device = jax.local_devices()[0]
    stats = device.memory_stats() or {}
    memory = stats.get("bytes_limit", float("inf"))
    if device.platform == "cpu":
        pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory = pages / jax.local_device_count()
    return Devices(jax.device_count(), device.platform, memory)


def choose_width(members: int, slot_bytes: float, devices: Devices) -> int:
    """Give the canonical width: a power of two, not below the members per device unless capped."""
    share = -(-members // devices.count)
    room = min(_SHARE_OF_MEMORY * devices.memory, _WORKING_SET.get(devices.platform, float("inf")))
    widest = _WIDEST.get(devices.platform, 64)
    fits = int(min(max(room / slot_bytes, 1), widest))
    return int(min(1 << (share - 1).bit_length(), 1 << (fits.bit_length() - 1)))
