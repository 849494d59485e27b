"""Resume state on disk: orbax for the arrays, a digest per slot against silent corruption."""

import hashlib
import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from identjax import processes
from identjax.store import clear_errors

KEEP = 2


def digest_leaves(leaves: list[np.ndarray[Any, Any]]) -> str:
    """Give the digest of arrays: their dtypes, shapes and little-endian bytes, in order."""
    sha = hashlib.blake2b(digest_size=16)
    for leaf in leaves:
        sha.update(f"{leaf.dtype.str}{leaf.shape}".encode())
        sha.update(np.ascontiguousarray(leaf).tobytes())
    return sha.hexdigest()


def digest_slots(state: Any) -> list[str]:
    """Give a digest per slot of a stacked host state (leading axis M on every leaf)."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    return [digest_leaves([leaf[m] for leaf in leaves]) for m in range(len(leaves[0]))]


def _digest_facts(facts: dict[str, Any]) -> str:
    text = json.dumps({k: v for k, v in facts.items() if k != "digest"}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Checkpoints:
    """The checkpoints of one group: saved while training goes on, verified when loaded."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self._saving: Any = None
        with clear_errors(directory):
            self._orbax = ocp.training.Checkpointer(
                directory,
                save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
                preservation_policy=ocp.training.preservation_policies.LatestN(KEEP),
                cleanup_tmp_directories=True,
            )

    def save(self, chunk: int, state: Any, facts: dict[str, Any], wait: bool = False) -> None:
        """Begin to save a stacked state with its facts, and wait for it where asked.

        Of several processes each saves the slots that are its own.
        """
        self.finish()
        digests = processes.exchange(digest_slots(processes.fetch(state)))
        facts = {**facts, "chunk": chunk, "digests": [one for own in digests for one in own]}
        facts["digest"] = _digest_facts(facts)
        with clear_errors(self.directory):
            self._saving = self._orbax.save_async(
                chunk, state, custom_metadata=facts, overwrite=True
            )
        if wait:
            self.finish()

    def finish(self) -> None:
        """Wait for what is being saved, and raise what went wrong with it."""
        saving, self._saving = self._saving, None
        if saving is not None:
            with clear_errors(self.directory):
                saving.result()

    def load(
        self, like: Callable[[dict[str, Any]], Any], warn: Callable[[str], None]
    ) -> tuple[Any, dict[str, Any]] | None:
        """Give the newest state whose digests hold, with its facts; None where there is none.

        `like` makes the abstract state from the facts. A checkpoint that is torn or altered is
        reported through `warn`, removed, and the one before it is tried.
        """
        steps = processes.exchange([found.step for found in self._orbax.checkpoints])[0]
        for step in sorted(steps, reverse=True):
            found, reason = None, ""
            try:
                found = self._read(step, like)
            except Exception as error:
                reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            # One process that cannot read it is enough: all must go on from the same state.
            reasons = [told for told in processes.exchange(reason) if told]
            if not reasons:
                return found
            warn(f"checkpoint {step} in {self.directory} is not usable: {reasons[0]}")
            if processes.is_first():
                shutil.rmtree(self.directory / str(step), ignore_errors=True)
            processes.exchange(None)
            self._orbax.reload()
        return None

    def _read(self, step: int, like: Callable[[dict[str, Any]], Any]) -> tuple[Any, dict[str, Any]]:
        facts: dict[str, Any] = self._orbax.metadata(step).custom_metadata
        if _digest_facts(facts) != facts["digest"]:
            raise ValueError("its digest does not match its facts")
        state = jax.tree.map(np.asarray, self._orbax.load(step, like(facts)))
        if digest_slots(state) != facts["digests"]:
            raise ValueError("its digests do not match its arrays")
        return state, facts

    def close(self) -> None:
        """Wait for what is being saved, and let go of the folder."""
        self.finish()
        with clear_errors(self.directory):
            self._orbax.close()
