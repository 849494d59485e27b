"""Plain JAX: a Flax model on padded batches, one jitted run per member, or a vmap of the run."""

import contextlib
import functools
import math
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from launch.benchmarks import machine
from launch.benchmarks.setups import LeftOut, Setup
from launch.benchmarks.timing import Case

MOST_IN_SEQUENCE = 2
SHARE_OF_MEMORY = 0.5


class Block(nn.Module):
    """Attention and a feed-forward net, as Flax has them."""

    options: Any
    rate: float

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        """Apply both branches, with the norm before or after each."""
        o, drop = self.options, nn.Dropout(self.rate, deterministic=False)
        norm = functools.partial(nn.LayerNorm, epsilon=o["epsilon"])
        first = o["norm"] == "pre"
        attend = nn.MultiHeadDotProductAttention(
            o["heads"], dropout_rate=self.rate, deterministic=False
        )
        before = norm()
        y = x + drop(attend(before(x) if first else x, mask=mask))
        x = y if first else before(y)
        after = norm()
        hidden = drop(nn.relu(nn.Dense(o["ff"])(after(x) if first else x)))
        y = x + drop(nn.Dense(o["d_model"])(hidden))
        return y if first else after(y)


class Net(nn.Module):
    """Embedding, sinusoids, blocks and a linear head."""

    options: Any
    rate: float
    size: int

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        """Give logits at every position."""
        width = self.options["d_model"]
        x = nn.Embed(self.size, width)(tokens) * math.sqrt(width)
        x = x + jnp.asarray(_sinusoids(tokens.shape[1], width))[None]
        x = nn.Dropout(self.rate, deterministic=False)(x)
        mask = nn.make_causal_mask(tokens)
        for _ in range(self.options["layers"]):
            x = Block(self.options, self.rate)(x, mask)
        if self.options["norm"] == "pre":
            x = nn.LayerNorm()(x)
        return nn.Dense(self.size)(x)


def _sinusoids(length: int, width: int) -> np.ndarray:
    rate = np.exp(-np.log(10_000.0) * np.arange(0, width, 2) / width)
    angle = np.arange(length)[:, None] * rate
    table = np.stack([np.sin(angle), np.cos(angle)], -1).reshape(length, width)
    return np.asarray(table, np.float32)


@contextlib.contextmanager
def _promote() -> Iterator[None]:
    """Let shapes and types be promoted, as they are where nobody says otherwise."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


class Run:
    """One member's run as a pure function of its key: what a JAX user writes first."""

    def __init__(self, setup: Setup, steps: int) -> None:
        """Take the numbers from the configuration."""
        member, size = setup.member, setup.language.vocabulary.size
        self.net = Net(setup.model.options(), member.dropout, size)
        self.tokens = jnp.asarray(setup.padded_BxT, jnp.int32)
        self.optimizer = optax.adamw(member.learning_rate, weight_decay=member.weight_decay)
        self.steps = steps

    def init(self, key: jax.Array) -> Any:
        """Begin a member."""
        with _promote():
            keys = {"params": key, "dropout": key}
            params = self.net.init(keys, self.tokens[:1, :-1])["params"]
            return params, self.optimizer.init(params), key

    def loss(self, params: Any, key: jax.Array) -> jax.Array:
        """Average cross entropy over all positions."""
        logits = self.net.apply({"params": params}, self.tokens[:, :-1], rngs={"dropout": key})
        per_target = optax.softmax_cross_entropy_with_integer_labels(logits, self.tokens[:, 1:])
        return per_target.mean()

    def advance(self, state: Any) -> Any:
        """Take some steps."""

        def step(state: Any, _: None) -> tuple[Any, None]:
            params, moments, key = state
            key, now = jax.random.split(key)
            grads = jax.grad(self.loss)(params, now)
            changes, moments = self.optimizer.update(grads, moments, params)
            return (optax.apply_updates(params, changes), moments, key), None

        with _promote():
            return lax.scan(step, state, None, self.steps)[0]


def train_in_sequence(setup: Setup, steps: int) -> Case:
    """(d) One jitted run per member, one after another; two members stand for all."""
    run = Run(setup, steps)
    m = min(len(setup.members), MOST_IN_SEQUENCE)
    advance = jax.jit(run.advance)
    states = [jax.jit(run.init)(key) for key in jax.random.split(jax.random.key(0), m)]

    def call() -> Any:
        states[:] = [jax.block_until_ready(advance(state)) for state in states]
        return states

    facts = {"members": m, "steps": steps, "parameters": _count(states[0][0])}
    return Case("JAX, one jitted run per member", call, m * steps, facts)


def train_by_vmap(setup: Setup, steps: int) -> Case:
    """(e) The whole run under one vmap."""
    run = Run(setup, steps)
    m = members_that_fit(setup, len(setup.members))
    if m < 2:
        raise LeftOut("two members do not fit the memory")
    keys = jax.random.split(jax.random.key(0), m)
    states = [jax.jit(jax.vmap(run.init))(keys)]
    advance = jax.jit(jax.vmap(run.advance))

    def call() -> Any:
        states[0] = advance(states[0])
        return states

    facts = {"members": m, "steps": steps, "parameters": _count(states[0][0]) // m}
    return Case("JAX, vmap of the whole run", call, m * steps, facts)


def members_that_fit(setup: Setup, wanted: int) -> int:
    """Halve the number of members until their padded steps take at most half of free memory."""
    room = SHARE_OF_MEMORY * machine.free_bytes() / _bytes_per_member(setup)
    while wanted > 1 and wanted > room:
        wanted //= 2
    return wanted


def _bytes_per_member(setup: Setup) -> float:
    """Give what a step on a padded batch takes, as XLA plans it for one member."""
    run = Run(setup, 1)
    state = jax.eval_shape(run.init, jax.random.key(0))
    found = jax.jit(run.advance).lower(state).compile().memory_analysis()
    return float(found.temp_size_in_bytes + found.argument_size_in_bytes)


def _count(params: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))
