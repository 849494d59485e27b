"""Generation without a cache: for every new token the whole prefix is read again, as the published
code does; one member at a time.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from identjax.predictor import Predictor
from launch.benchmarks.peers.torch_runs import find_device
from launch.benchmarks.setups import Setup
from launch.benchmarks.timing import Case

# JAX compiles once per shape: prefixes are padded to a multiple of this.
PIECE = 32
# One token in so many is timed and stands for all: what a token costs is a matter of its place.
EVERY = 8


def complete_in_jax(member: Predictor, prompts_NxP: np.ndarray) -> np.ndarray:
    """Continue prompts greedily with one member, reading the prefix again at each token."""
    n, p = prompts_NxP.shape
    length, pad = member.max_length + 2, member.vocabulary.pad
    tokens = np.full((n, length), pad, np.int32)
    tokens[:, :p] = prompts_NxP
    finished = np.zeros(n, bool)
    for t in range(p, length):
        choice = _read_again(member, tokens, t)
        ends = ~finished & (choice == member.vocabulary.eos)
        tokens[:, t] = np.where(finished | ((t == length - 1) & ~ends), pad, choice)
        finished |= ends
        if finished.all():
            break
    return tokens


def _read_again(member: Predictor, tokens_NxT: np.ndarray, t: int) -> np.ndarray:
    read = min(-(-t // PIECE) * PIECE, tokens_NxT.shape[1])
    return np.asarray(_choose_next(member, tokens_NxT[:, :read], t - 1))


@jax.jit
def _choose_next(member: Predictor, tokens_NxT: jax.Array, last: Any) -> jax.Array:
    return jnp.argmax(member.score(tokens_NxT)[:, last], -1).astype(jnp.int32)


def generate_in_jax(stack: Predictor, prompts_NxP: np.ndarray) -> Case:
    """Time it with identjax's own parallel form."""
    member = jax.tree.map(lambda leaf: leaf[0], stack)
    tokens, places = _lay_out(prompts_NxP, member.max_length)

    def call() -> None:
        for t in places:
            _read_again(member, tokens, t)

    return _make_case("JAX, prefix read again", call, prompts_NxP, places, member.max_length)


def generate_in_torch(setup: Setup, prompts_NxP: np.ndarray) -> Case:
    """Time it in PyTorch, without padding, to the longest length, as an untrained member goes."""
    device, wait = find_device()
    import torch

    from launch.benchmarks.peers import torch_model as plain

    net = plain.Net(setup).to(device).eval()
    marks = [setup.language.vocabulary.bos, setup.language.vocabulary.pad]
    longest = setup.member.max_length
    filled, places = _lay_out(prompts_NxP, longest)
    tokens = torch.as_tensor(filled, dtype=torch.int64, device=device)

    @torch.no_grad()
    def call() -> None:
        for t in places:
            logits = net(tokens[:, :t])[:, -1]
            logits[:, marks] = -torch.inf
            logits.argmax(-1)
        wait()

    return _make_case("PyTorch, prefix read again", call, prompts_NxP, places, longest)


def _lay_out(prompts_NxP: np.ndarray, max_length: int) -> tuple[np.ndarray, range]:
    """Give prompts filled up with their last symbol, and the places of the tokens to time."""
    n, p = prompts_NxP.shape
    filler = np.broadcast_to(prompts_NxP[:, -1:], (n, max_length + 2 - p))
    return np.concatenate([prompts_NxP, filler], 1), range(p, max_length + 2, EVERY)


def _make_case(
    name: str, call: Callable[[], None], prompts_NxP: np.ndarray, places: range, max_length: int
) -> Case:
    tokens = max_length + 2 - prompts_NxP.shape[1]
    facts = {"members": 1, "prompts": len(prompts_NxP), "tokens": tokens, "timed": len(places)}
    return Case(name, call, len(places) / tokens, facts)
