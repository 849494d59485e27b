"""One member's training: its state, one update, and the check against the truth. Pure."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from identjax.keys import Purpose, key_for
from identjax.languages.language import Language
from identjax.models.model import Dropout, Model, Params
from identjax.predictor import Estimate, kl
from identjax.training.batches import Batch, Batches, draw_rows, make_batches
from identjax.training.loss import mean_nll, mislabel
from identjax.training.member import Member, fields_of
from identjax.training.objective import find_lessons, find_teacher
from identjax.training.optimizers import Hyper, make_optimizer, rate_at
from identjax.training.precision import PRECISIONS, Precision

FINITE, LOSS_NOT_FINITE, UPDATE_NOT_FINITE = 0, 1, 2
CAUSES = {LOSS_NOT_FINITE: "loss not finite", UPDATE_NOT_FINITE: "update not finite"}


class TrainState(NamedTuple):
    """Everything that moves: `fault` is 0 or the cause of a divergence; `window` sums losses
    since the last check.
    """

    hyper: Hyper
    params: Params
    optimizer: Any
    step: jax.Array
    fault: jax.Array
    window: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Shared:
    """What all members of a group read: the truth, the batches, what the objective teaches, and
    the strings of the check.
    """

    language: Language
    batches: Batches
    lessons: Batch | None
    check_tokens_NxT: jax.Array
    check_log_p_N: jax.Array | None


@dataclasses.dataclass(frozen=True)
class Trainer:
    """The program of one group: static, made from any of its members."""

    member: Member
    model: Model
    mean_targets: float

    @property
    def precision(self) -> Precision:
        """In which numbers the group is trained."""
        return PRECISIONS[self.member.precision]

    def init(self, hyper: Hyper) -> TrainState:
        """Draw a new member's parameters and set everything to its beginning."""
        return self.begin(hyper, self.model.init(key_for(hyper["init_seed"], Purpose.INIT)))

    def begin(self, hyper: Hyper, params: Params) -> TrainState:
        """Set everything but the parameters to its beginning."""
        zero, params = jnp.int32(0), self.precision.cast(params)
        optimizer = self._optimizer(zero, hyper).init(params)
        return TrainState(hyper, params, optimizer, zero, zero, jnp.float32(0))

    def update(self, state: TrainState, shared: Shared) -> TrainState:
        """Take one step, unless the member has stopped; a step that is not finite is not taken."""
        hyper, step = state.hyper, state.step
        batch = shared.batches.draw(key_for(hyper["data_seed"], Purpose.DATA, step))
        if self.member.label_noise > 0:
            noise_key = key_for(hyper["noise_seed"], Purpose.LABEL_NOISE, step)
            batch = mislabel(noise_key, batch, hyper["label_noise"], self.model.vocabulary)
        lessons = shared.lessons
        if lessons is not None:
            lesson_key = key_for(hyper["data_seed"], Purpose.LESSONS, step)
            lessons = draw_rows(lessons, lesson_key, self.member.batch)
        with jax.default_matmul_precision(self.precision.products):
            loss, grads = jax.value_and_grad(self.loss)(state.params, state, batch, lessons)
        # Optax mixes whole numbers and floats, which strict promotion would refuse.
        with jax.numpy_dtype_promotion("standard"):
            rule = self._optimizer(step, hyper)
            changes, optimizer = rule.update(grads, state.optimizer, state.params)
            params = optax.apply_updates(state.params, changes)
        runs = (step < hyper["steps"]) & (state.fault == FINITE)
        fault = jnp.where(_is_finite(params), FINITE, UPDATE_NOT_FINITE)
        fault = jnp.where(jnp.isfinite(loss), fault, LOSS_NOT_FINITE)
        # The window begins anew after each check, so its sum keeps its precision.
        window = jnp.where(step % self.member.check_every == 0, 0, state.window)
        window += loss.astype(jnp.float32)
        moved = TrainState(hyper, params, optimizer, step + 1, state.fault, window)
        moves = runs & (fault == FINITE)
        kept = jax.tree.map(lambda new, old: jnp.where(moves, new, old), moved, state)
        return kept._replace(fault=jnp.where(runs, fault, state.fault))

    def loss(
        self, params: Params, state: TrainState, batch: Batch, lessons: Batch | None
    ) -> jax.Array:
        """Give what a step makes smaller: NLL per target, and that of the lessons, weighted."""
        dropout = self._dropout(state, Purpose.DROPOUT)
        loss = mean_nll(self.model, params, batch, dropout, self.mean_targets)
        if lessons is None:
            return loss
        dropout = self._dropout(state, Purpose.LESSONS)
        taught = mean_nll(self.model, params, lessons, dropout, 1.0)
        return loss + state.hyper["objective_weight"] * taught

    def _dropout(self, state: TrainState, purpose: Purpose) -> Dropout | None:
        if not self.member.dropout > 0:
            return None
        hyper = state.hyper
        return Dropout(hyper["dropout"], key_for(hyper["noise_seed"], purpose, state.step))

    def check(self, params: Params, shared: Shared) -> Estimate:
        """Measure KL(truth‖member) in nats per sequence: exact over a small support."""
        plain = PRECISIONS["float32"]
        learner = self.model.bind(plain.cast(params))
        with jax.default_matmul_precision(plain.products):
            return kl(shared.language, learner, shared.check_tokens_NxT, shared.check_log_p_N)

    def _optimizer(self, step: jax.Array, hyper: Hyper) -> optax.GradientTransformation:
        rate = rate_at(self.member.schedule, step, hyper)
        return make_optimizer(rate, hyper, self.member)


def _is_finite(tree: Any) -> jax.Array:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


def make_trainer(member: Member) -> tuple[Trainer, Shared]:
    """Build the program of a member's group, and what its members share."""
    with PRECISIONS[member.precision].enabled():
        language, model = member.truth, member.build_model()
        teacher = find_teacher(member.teacher, language)
        batches = make_batches(language, member.batching, member.batch, model.packs, teacher)
        taught = find_lessons(member.objective, language) if member.objective_weight > 0 else None
        lessons = taught.lay_out(language, model.packs) if taught else None
        found = language.support()
        if found is None:
            tokens, log_p = language.sample(key_for(0, Purpose.CHECK), member.check_size), None
        else:
            tokens, log_p = jnp.asarray(found[0]), jnp.asarray(found[1], jnp.float32)
        shared = Shared(language, batches, lessons, tokens, log_p)
        return Trainer(member, model, language.mean_targets), shared


def hyper_of(member: Member) -> dict[str, np.generic]:
    """Give a member's swept numbers in the dtypes that the program reads."""
    found: dict[str, np.generic] = {}
    for name in fields_of("swept", "gated"):
        value = getattr(member, name)
        whole = np.uint32 if name.endswith("_seed") else np.int32
        found[name] = whole(value) if isinstance(value, int) else np.float32(value)
    return found
