"""The compiled half of the engine: slots on a mesh axis `member`, and nothing between them.

A group's state is a stack of members, W per device. Every call is `shard_map(vmap(…))` over the
stack, so a member's bits depend on its own configuration and on W alone.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from identjax import processes
from identjax.models.model import Params
from identjax.predictor import Estimate
from identjax.training.optimizers import Hyper
from identjax.training.step import Shared, Trainer, TrainState

MEMBER = PartitionSpec("member")


class Slots:
    """The compiled calls of one group. A slot of zeros is empty: its member has no step to take."""

    def __init__(self, trainer: Trainer, shared: Shared, width: int) -> None:
        # Each process has a run of slots; nothing passes between devices, so their order is free.
        devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
        self.mesh = Mesh(np.array(devices), ("member",), axis_types=(AxisType.Auto,))
        self.count = width * jax.device_count()
        self.trainer = trainer
        self.traces = 0
        self._sharding = NamedSharding(self.mesh, MEMBER)
        own = width * jax.local_device_count()
        self.local = range(own * jax.process_index(), own * (jax.process_index() + 1))
        self._shared = self.place(shared, NamedSharding(self.mesh, PartitionSpec()))
        self._join = jax.jit(
            functools.partial(jax.tree.map, lambda *own: jnp.concatenate(own)),
            out_shardings=self._sharding,
        )
        self._init = self._map(trainer.init)
        self._begin = self._map(lambda given: trainer.begin(*given))
        self._check = self._map(lambda state, shared: trainer.check(state.params, shared))
        self._chunk = self._map(self._take_steps, donate=True)

    def zeros(self, hyper: Hyper, count: int | None = None) -> TrainState:
        """Give a host stack of empty slots."""
        one = jax.eval_shape(self.trainer.init, hyper)
        m = self.count if count is None else count
        return jax.tree.map(lambda x: np.zeros((m, *x.shape), x.dtype), one)

    def compile(self, hyper: Hyper) -> None:
        """Compile the group's programs now, in whatever thread this is; calls then use them."""

        def shape(leaf: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=self._sharding)

        state = jax.tree.map(shape, self.zeros(hyper))
        self._init = self._init.lower(state.hyper).compile()
        self._chunk = self._chunk.lower(state, self._shared, np.int32(1)).compile()
        self._check = self._check.lower(state, self._shared).compile()

    @property
    def planned_bytes(self) -> int:
        """Give what a chunk takes of each device, as XLA plans it; 0 before it is compiled."""
        plan = self._chunk.memory_analysis() if hasattr(self._chunk, "memory_analysis") else None
        if plan is None:
            return 0
        parts = plan.temp_size_in_bytes, plan.argument_size_in_bytes, plan.output_size_in_bytes
        return int(sum(parts) - plan.alias_size_in_bytes)

    def start(self, hypers: Sequence[Hyper], params: Sequence[Params] | None = None) -> TrainState:
        """Begin a member in every slot, with given parameters or drawn ones."""
        stacked = {name: np.stack([hyper[name] for hyper in hypers]) for name in hypers[0]}
        if params is None:
            return self._init(self.place(stacked))
        given = jax.tree.map(lambda *leaves: np.stack(leaves), *params)
        return self._begin(self.place((stacked, given)))

    def refill(self, state: TrainState, fresh: TrainState, slots: list[int]) -> TrainState:
        """Put the members of `fresh` into the given slots, and leave the others as they are."""
        chosen = np.zeros(self.count, bool)
        chosen[slots] = True
        return _merge(state, fresh, self.place(chosen))

    def chunk(self, state: TrainState, steps: int) -> TrainState:
        """Take some steps in every slot; the state that is given is used up."""
        return self._chunk(state, self._shared, np.int32(steps))

    def check(self, state: TrainState) -> Estimate:
        """Measure every slot against the truth."""
        return self._check(state, self._shared)

    def copy_params(self, state: TrainState) -> Params:
        """Copy every slot's parameters as snapshots have them, before a chunk uses the state up."""
        return jax.tree.map(lambda leaf: jnp.array(leaf, jnp.float32), state.params)

    def place(self, host: Any, sharding: NamedSharding | None = None) -> Any:
        """Put host arrays with a leading slot axis onto the devices of all processes."""
        over = sharding or self._sharding
        if jax.process_count() == 1:
            return jax.device_put(host, over)

        def put(leaf: Any) -> jax.Array:
            whole = np.asarray(leaf)
            return jax.make_array_from_callback(whole.shape, over, whole.__getitem__)

        return jax.tree.map(put, host)

    def read(self, stack: Any) -> Any:
        """Give all slots as host arrays, in every process."""
        return processes.gather(processes.fetch(stack))

    def join(self, state: TrainState, others: Sequence[TrainState]) -> TrainState:
        """Give the slots and further members, with empty ones as filling, as a stack to be saved.

        It is a copy, because the next chunk uses the state up.
        """
        if jax.process_count() == 1:
            host = jax.device_get(state)
            more = [jax.tree.map(lambda *own: np.stack(own), *others)] if others else []
            return jax.tree.map(lambda *own: np.concatenate(own), host, *more)
        rows = -(-len(others) // self.mesh.size) * self.mesh.size
        extra = jax.tree.map(lambda x: np.zeros((rows, *x.shape[1:]), x.dtype), state)
        for i, own in enumerate(others):
            put_slot(extra, i, own)
        return self._join(state, self.place(extra))

    def _take_steps(self, state: TrainState, shared: Shared, steps: jax.Array) -> TrainState:
        self.traces += 1
        # The number of steps is a number, not a shape: one program, hence one rounding, for all.
        return lax.fori_loop(0, steps, lambda _, moved: self.trainer.update(moved, shared), state)

    def _map(self, function: Callable[..., Any], donate: bool = False) -> Any:
        """Map a function of one member (and of what is shared) over all slots."""

        def over_slots(state: Any, *shared: Any) -> Any:
            mapped = jax.vmap(function, in_axes=(0, *(None for _ in shared)))
            specs = (MEMBER, *(PartitionSpec() for _ in shared))
            # Unchecked, because arrays made inside a member look the same for all members to JAX.
            sharded = jax.shard_map(
                mapped, mesh=self.mesh, in_specs=specs, out_specs=MEMBER, check_vma=False
            )
            return sharded(state, *shared)

        return jax.jit(over_slots, donate_argnums=(0,) if donate else ())


def put_slot(stack: Any, slot: int, own: Any) -> None:
    """Write one member into a host stack."""
    jax.tree.map(lambda all_M, one: all_M.__setitem__(slot, one), stack, own)


@functools.partial(jax.jit, donate_argnums=(0,))
def _merge(state: TrainState, fresh: TrainState, chosen_M: jax.Array) -> TrainState:
    def pick(old: jax.Array, new: jax.Array) -> jax.Array:
        return jnp.where(chosen_M.reshape(-1, *(1 for _ in old.shape[1:])), new, old)

    return jax.tree.map(pick, state, fresh)
