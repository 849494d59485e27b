"""What is trained in a contest: a configuration of the bench, for identjax and for its peers."""

import dataclasses
import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from identjax.keys import Purpose, key_for
from identjax.languages.language import Language
from identjax.models.costs import count_parameters
from identjax.models.model import Model
from identjax.predictor import Predictor
from identjax.sweep.plan.groups import make_plan
from identjax.sweep.plan.request import import_source, to_plain
from identjax.training.member import Member

CONFIG = pathlib.Path(__file__).resolve().parents[2] / "configs" / "bench.py"


class LeftOut(Exception):
    """A case that cannot run here, with the reason."""


@dataclasses.dataclass(frozen=True)
class Setup:
    """Members of one group, and the width that the engine gives it."""

    members: tuple[Member, ...]
    width: int

    @property
    def member(self) -> Member:
        """The first, which stands for all."""
        return self.members[0]

    @functools.cached_property
    def language(self) -> Language:
        """The truth."""
        return self.member.truth

    @functools.cached_property
    def model(self) -> Model:
        """The learner."""
        return self.member.build_model()

    @functools.cached_property
    def padded_BxT(self) -> np.ndarray:
        """All strings of the support, as a peer's batch: BOS, symbols, EOS, PAD to the end."""
        found = self.language.support()
        assert found is not None, "configurations of the bench have a small support"
        return np.asarray(found[0], np.int64)

    @functools.cached_property
    def parameter_count(self) -> int:
        """Numbers that a member learns."""
        return count_parameters(self.model)


def load_setup(size: str, members: int, **changes: Any) -> Setup:
    """Read a configuration of the bench, with some fields changed."""
    module = import_source(str(CONFIG))
    config = to_plain(module.get_config(size)) | changes
    plan = make_plan(config, module.get_sweep(members), extra_fields=["members"])
    (group,) = plan.groups
    return Setup(group.members, group.width)


def stack_members(model: Model, members: int) -> Predictor:
    """Draw a stack of untrained members."""
    keys = [key_for(seed, Purpose.INIT) for seed in range(members)]
    return model.bind(jax.jit(jax.vmap(model.init))(jnp.stack(keys)))
