"""Peers: the same training as a user would write it without identjax, each in a file of its own."""

from collections.abc import Callable, Mapping

from launch.benchmarks.peers import flax_runs, torch_runs
from launch.benchmarks.setups import Setup
from launch.benchmarks.timing import Case

Peer = Callable[[Setup, int], Case]

# By the names that --peers takes: each gets the configuration and how many steps a call takes.
TRAINERS: Mapping[str, Peer] = {
    "torch": torch_runs.train_alone,
    "torch_compiled": torch_runs.train_alone_compiled,
    "torch_func": torch_runs.train_together,
    "torch_func_compiled": torch_runs.train_together_compiled,
    "jax_sequence": flax_runs.train_in_sequence,
    "jax_vmap": flax_runs.train_by_vmap,
}
