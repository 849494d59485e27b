"""Orbax checkpoints from anywhere, opened as if they were the results of a sweep."""

import functools
import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import pyarrow as pa
from orbax.checkpoint import v1 as ocp

from identjax.errors import ConfigError
from identjax.evaluation.results import Results
from identjax.models.model import Model
from identjax.predictor import Predictor
from identjax.rungs import FINAL
from identjax.store import Store
from identjax.sweep.folder.ledger import Standing
from identjax.sweep.folder.members_table import member_row
from identjax.training.member import Member


class CheckpointRun(Results):
    """The parameters in a checkpoint, one member or a stack of them, as a run of one rung.

    A member's id is the digest of its parameters. Nothing is known of its training, and what is
    evaluated goes to evals/ of a folder of one's choice.
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
        return pa.Table.from_pylist(self._rows)

    def curves(self) -> None:
        return None

    def snapshots(self) -> pa.Table:
        rows = [{k: row[k] for k in ("member_id", "group")} for row in self._rows]
        return pa.Table.from_pylist([row | {"rung": FINAL, "step": 0} for row in rows])

    def rungs(self) -> list[str]:
        return [FINAL]

    def predictors(
        self, rung: str = FINAL, members: list[str] | None = None
    ) -> dict[str, tuple[list[str], Predictor]]:
        ids = [str(row["member_id"]) for row in self._rows]
        rows = [row for row, name in enumerate(ids) if members is None or name in members]
        if rung != FINAL or not rows:
            return {}
        chosen = jax.tree.map(lambda leaf: leaf[rows], self._params)
        return {str(self._rows[0]["group"]): ([ids[row] for row in rows], self.model.bind(chosen))}


def load_params(path: pathlib.Path, model: Model) -> Any:
    """Load a model's parameters from an orbax checkpoint, with a leading member axis.

    They may be the whole of it or any part, such as the params of a train state, and may be
    stacked. Of a folder with numbered checkpoints the newest is taken.
    """
    newest = _find_checkpoint(path)
    try:
        described = ocp.metadata(newest).metadata
        host = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        on_host = functools.partial(jax.ShapeDtypeStruct, sharding=host)
        like = jax.tree.map(lambda leaf: on_host(leaf.shape, leaf.dtype), described)
        tree = jax.tree.map(np.asarray, ocp.load(newest, like))
    except (ValueError, TypeError, KeyError, OSError, AttributeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        allowed = f"a checkpoint that orbax can read ({reason[:200]})"
        raise ConfigError("checkpoint", str(path), allowed) from error
    wanted = jax.eval_shape(model.init, jax.random.key(0))
    found = _find_params(tree, wanted)
    if found is None:
        size = sum(leaf.size for leaf in jax.tree.leaves(wanted))
        allowed = f"this model's {size} parameters (check --model, --preset, options)"
        raise ConfigError("checkpoint", str(path), f"one that holds {allowed}")
    return found


def _find_checkpoint(path: pathlib.Path) -> pathlib.Path:
    if not path.is_dir():
        raise ConfigError("checkpoint", str(path), "the folder of an orbax checkpoint")
    path = path.absolute()
    numbered = sorted((int(p.name), p) for p in path.iterdir() if p.name.isdigit() and p.is_dir())
    if not ocp.is_orbax_checkpoint(path) and numbered:
        return numbered[-1][1]
    return path


def _find_params(tree: Any, wanted: Any) -> Any | None:
    """Look for a part with the leaves of one member or of a stack, in the whole tree first."""
    leaves, names = _named_leaves(tree), _named_leaves(wanted)
    roots = dict.fromkeys(path[:depth] for path in leaves for depth in range(len(path) + 1))
    parts = (
        {path[len(root) :]: leaf for path, leaf in leaves.items() if path[: len(root)] == root}
        for root in roots
    )
    for part in (part for part in parts if part.keys() == names.keys()):
        one, like = next((part[name], leaf) for name, leaf in names.items())
        lead = one.shape[: one.ndim - like.ndim]
        fits = all(part[name].shape == (*lead, *leaf.shape) for name, leaf in names.items())
        if fits and len(lead) <= 1:
            shape = lead or (1,)
            own = [
                np.asarray(part[name], leaf.dtype).reshape(*shape, *leaf.shape)
                for name, leaf in names.items()
            ]
            return jax.tree.unflatten(jax.tree.structure(wanted), own)
    return None


def _named_leaves(tree: Any) -> dict[tuple[str, ...], Any]:
    """Give the leaves by path; a field, a key and a position read the same."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    name = jax.tree_util.keystr
    return {tuple(name((key,), simple=True) for key in path): leaf for path, leaf in flat}


def _digest_members(params: Any) -> list[str]:
    leaves = jax.tree.leaves(params)
    texts = (b"".join(leaf[row].tobytes() for leaf in leaves) for row in range(len(leaves[0])))
    return [hashlib.blake2b(text, digest_size=6).hexdigest() for text in texts]
