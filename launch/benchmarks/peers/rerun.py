"""Generation without a cache: for every new token the whole prefix is read again, as the published
code does; one member at a time.
"""

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


def complete_in_jax(member: Predictor, prompts_NxP: np.ndarray) -> np.ndarray:
    """Continue prompts greedily with one member, reading the prefix again at each token."""
    n, p = prompts_NxP.shape
    length, pad = member.max_length + 2, member.vocabulary.pad
    tokens = np.full((n, length), pad, np.int32)
    tokens[:, :p] = prompts_NxP
    finished = np.zeros(n, bool)
    for t in range(p, length):
        read = min(-(-t // PIECE) * PIECE, length)
        choice = np.asarray(_choose_next(member, tokens[:, :read], t - 1))
        ends = ~finished & (choice == member.vocabulary.eos)
        tokens[:, t] = np.where(finished | ((t == length - 1) & ~ends), pad, choice)
        finished |= ends
        if finished.all():
            break
    return tokens


@jax.jit
def _choose_next(member: Predictor, tokens_NxT: jax.Array, last: Any) -> jax.Array:
    return jnp.argmax(member.score(tokens_NxT)[:, last], -1).astype(jnp.int32)


def generate_in_jax(stack: Predictor, prompts_NxP: np.ndarray) -> Case:
    """Time it with identjax's own parallel form."""
    member = jax.tree.map(lambda leaf: leaf[0], stack)
    facts = {"members": 1, "prompts": len(prompts_NxP)}
    return Case("JAX, prefix read again", lambda: complete_in_jax(member, prompts_NxP), 1, facts)


def generate_in_torch(setup: Setup, prompts_NxP: np.ndarray) -> Case:
    """Time it in PyTorch, without padding, to the longest length, as an untrained member goes."""
    device, wait = find_device()
    import torch

    from launch.benchmarks.peers import torch_model as plain

    net = plain.Net(setup).to(device).eval()
    marks = [setup.language.vocabulary.bos, setup.language.vocabulary.pad]

    @torch.no_grad()
    def call() -> None:
        tokens = torch.as_tensor(prompts_NxP, dtype=torch.int64, device=device)
        while tokens.shape[1] < setup.member.max_length + 2:
            logits = net(tokens)[:, -1]
            logits[:, marks] = -torch.inf
            tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], 1)
        wait()

    facts = {"members": 1, "prompts": len(prompts_NxP)}
    return Case("PyTorch, prefix read again", call, 1, facts)
