"""Orbax checkpoints from anywhere, opened as if they were the results of a sweep."""

import hashlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
import pyarrow as pa
from orbax.checkpoint import v1 as ocp

from identjax.errors import ConfigError
from identjax.models.model import Model
from identjax.predictor import Predictor
from identjax.rungs import FINAL
from identjax.store import Store
from identjax.sweep.folder.ledger import Standing
from identjax.sweep.folder.members_table import member_row
from identjax.training.member import Member


class CheckpointRun:
    """The parameters in a checkpoint, one member or a stack of them, as a Run of one rung.

    What is evaluated goes to evals/ of a folder of one's choice.
    """

    def __init__(
        self,
        checkpoint: str,
        workdir: str,
        language: str,
        model: str,
        preset: str = "small",
        max_length: int = 32,
        model_options: Mapping[str, Any] | None = None,
        language_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Load the checkpoint and find in it what the model calls its parameters."""
        self.store, self.workdir = Store(workdir), pathlib.Path(workdir)
        if self.store.read_sweep() is not None:
            allowed = "a folder without a sweep in it, for the evaluation of a checkpoint"
            raise ConfigError("workdir", workdir, allowed)
        member = Member(
            language=language,
            max_length=max_length,
            language_options=language_options or {},
            architecture=model,
            preset=preset,
            model=model_options or {},
        )
        self.model = member.build_model()
        self.sweep: dict[str, Any] = {}
        self.unusable: list[tuple[str, str, str]] = []
        self._params = load_params(pathlib.Path(checkpoint), self.model)
        like = member_row(member, Standing("done")) | {"group": model}
        self._rows = [like | {"member_id": digest} for digest in _digest_members(self._params)]

    def members(self) -> pa.Table:
        """List the members; a member's id is the digest of its parameters."""
        return pa.Table.from_pylist(self._rows)

    def curves(self) -> None:
        """Nothing is known of the training."""

    def snapshots(self) -> pa.Table:
        """List the one snapshot of each member."""
        rows = [{k: row[k] for k in ("member_id", "group")} for row in self._rows]
        return pa.Table.from_pylist([row | {"rung": FINAL, "step": 0} for row in rows])

    def rungs(self) -> list[str]:
        """Give the one rung."""
        return [FINAL]

    def evals(self, name: str) -> pa.Table | None:
        """Give an evaluation table, or None where it was not made yet."""
        return self.store.read_eval(name)

    def predictors(
        self, rung: str = FINAL, members: list[str] | None = None
    ) -> dict[str, tuple[list[str], Predictor]]:
        """Give the members, or some of them, as one stack."""
        ids = [str(row["member_id"]) for row in self._rows]
        rows = [row for row, name in enumerate(ids) if members is None or name in members]
        if rung != FINAL or not rows:
            return {}
        chosen = jax.tree.map(lambda leaf: leaf[rows], self._params)
        name = str(self._rows[0]["group"])
        return {name: ([ids[row] for row in rows], self.model.bind(chosen))}


def load_params(path: pathlib.Path, model: Model) -> Any:
    """Load a model's parameters from an orbax checkpoint, with a leading member axis.

    They may be the whole of it or any part, such as the params of a train state, and may be
    stacked. Of a folder with numbered checkpoints the newest is taken.
    """
    found = _find_checkpoint(path)
    try:
        described = ocp.metadata(found).metadata
        host = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        like = jax.tree.map(
            lambda m: jax.ShapeDtypeStruct(m.shape, m.dtype, sharding=host), described
        )
        tree = jax.tree.map(np.asarray, ocp.load(found, like))
    except (ValueError, TypeError, KeyError, OSError, AttributeError) as error:
        reason = str(error).strip().splitlines()
        allowed = (
            f"a checkpoint that orbax can read ({(reason or [type(error).__name__])[0][:200]})"
        )
        raise ConfigError("checkpoint", str(path), allowed) from error
    wanted = jax.eval_shape(model.init, jax.random.key(0))
    for part in _walk(tree):
        if _fits(part, wanted, stacked=False):
            return _as_params(jax.tree.map(lambda leaf: leaf[None], part), wanted)
        if _fits(part, wanted, stacked=True):
            return _as_params(part, wanted)
    sizes = sum(leaf.size for leaf in jax.tree.leaves(wanted))
    allowed = f"one that holds this model's {sizes} parameters (check --model, --preset, options)"
    raise ConfigError("checkpoint", str(path), allowed)


def _find_checkpoint(path: pathlib.Path) -> pathlib.Path:
    if not path.is_dir():
        raise ConfigError("checkpoint", str(path), "the folder of an orbax checkpoint")
    path = path.absolute()
    numbered = sorted((int(p.name), p) for p in path.iterdir() if p.name.isdigit() and p.is_dir())
    if not ocp.is_orbax_checkpoint(path) and numbered:
        return numbered[-1][1]
    return path


def _walk(tree: Any) -> Iterator[Any]:
    """Go through all subtrees, the whole first."""
    yield tree
    if isinstance(tree, Mapping):
        parts = list(tree.values())
    else:
        parts = list(tree) if isinstance(tree, list | tuple) else []
    for part in parts:
        yield from _walk(part)


def _named_leaves(tree: Any) -> dict[str, Any]:
    """Give the leaves by path; a field, a key and a position read the same."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in flat}


def _fits(part: Any, wanted: Any, stacked: bool) -> bool:
    own, theirs = _named_leaves(part), _named_leaves(wanted)
    if own.keys() != theirs.keys():
        return False
    skip = 1 if stacked else 0
    shapes = all(np.shape(leaf)[skip:] == theirs[name].shape for name, leaf in own.items())
    counts = {np.shape(leaf)[:skip] for leaf in own.values() if np.ndim(leaf) >= skip}
    return shapes and len(counts) == 1 and all(np.ndim(leaf) >= skip for leaf in own.values())


def _as_params(part: Any, wanted: Any) -> Any:
    """Give the leaves in the model's own structure and dtypes."""
    own, theirs = _named_leaves(part), _named_leaves(wanted)
    leaves = [np.asarray(own[name], leaf.dtype) for name, leaf in theirs.items()]
    return jax.tree.unflatten(jax.tree.structure(wanted), leaves)


def _digest_members(params: Any) -> list[str]:
    leaves = [np.ascontiguousarray(leaf) for leaf in jax.tree.leaves(params)]
    digests = []
    for row in range(len(leaves[0])):
        own = hashlib.blake2b(digest_size=6)
        for leaf in leaves:
            own.update(leaf[row].tobytes())
        digests.append(own.hexdigest())
    return digests
