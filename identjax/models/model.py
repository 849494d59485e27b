"""What every model is: parameters from a key, logits in parallel, and a cached step."""

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from identjax.errors import ConfigError, unknown_name
from identjax.predictor import State, Wrapper, score_by_scan
from identjax.registry import Registry
from identjax.vocabulary import Vocabulary

Params = Any
Cache = Any
Move = Callable[[Params, float, np.random.Generator], None]
"""Changes one member's parameters in place, on the host, by a scale α and random numbers."""


class Dropout(NamedTuple):
    """Dropout in one pass: a rate, which may be traced, and the key of this pass."""

    rate: jax.Array
    key: jax.Array


@dataclasses.dataclass(frozen=True)
class Model(abc.ABC):
    """A family of predictors: frozen, hashable and static; all numbers are in `params`.

    The fields after the first two are the family's options: whole numbers are at least 1, other
    numbers at least 0, and text is one of the `choices` in the field's metadata. A preset replaces
    some of their defaults; the defaults are the preset `small`.

    A row of tokens may hold several strings, each with its BOS first: at BOS a model forgets what
    came before and counts positions from 0 again, in its parallel form and in `advance`. So rows
    can be packed, and a packed row gives each string the logits that it has alone.
    """

    vocabulary: Vocabulary
    max_length: int
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"small": {}, "paper": {}}
    packs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self)[1:]:
            if isinstance(getattr(self, field.name), list):
                object.__setattr__(self, field.name, tuple(getattr(self, field.name)))
            _check_field(field, getattr(self, field.name))
            if field.type is float:
                object.__setattr__(self, field.name, float(getattr(self, field.name)))
        self.check()

    def check(self) -> None:
        """Raise ConfigError where options do not fit together; a family adds its own."""
        return

    @classmethod
    def option_names(cls) -> list[str]:
        """List the names of the family's options."""
        return sorted(field.name for field in dataclasses.fields(cls)[2:])

    def options(self) -> dict[str, Any]:
        """Give every option with its value, sorted, as JSON values."""
        found = {name: getattr(self, name) for name in self.option_names()}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in found.items()}

    @abc.abstractmethod
    def init(self, key: jax.Array) -> Params:
        """Draw the parameters of one member."""

    @abc.abstractmethod
    def logits(
        self, params: Params, tokens_BxT: jax.Array, dropout: Dropout | None = None
    ) -> jax.Array:
        """Give raw logits over the next token at every position, [B, T, V], in parallel form."""

    @abc.abstractmethod
    def start(self, params: Params) -> Cache:
        """Give the cache of one sequence of which nothing has been read."""

    @abc.abstractmethod
    def advance(self, params: Params, cache: Cache, token: jax.Array) -> tuple[Cache, jax.Array]:
        """Read one token: the new cache, and raw logits over the next, [V]."""

    def check_positions(self, count: int) -> None:
        """Raise ConfigError on a row that is longer than any string."""
        if count > self.max_length + 2:
            longest = f"at most {self.max_length + 2}, for strings of {self.max_length} symbols"
            raise ConfigError("positions", count, longest)

    def learned_length(self, params: Params) -> int | None:
        """Give the one maximum length that the parameters are for, None where any will do."""
        return None

    def row_floats(self, length: int) -> int:
        """Count the largest array that a row of this length makes; 0 where rows cost little, or
        are better read side by side.
        """
        return 0

    @property
    def scans_on_cpu(self) -> bool:
        """Tell whether a CPU scores faster by the cached step; the bench's suite `models` asks."""
        return False

    def symmetries(self) -> Mapping[str, Move]:
        """Name the changes of parameters that leave the function as it is, with how each is made;
        the names are those of `symmetries.CHANGES`.
        """
        return {}

    def bind(self, params: Params) -> "Learner":
        """Make the Predictor that this model is with these parameters (one member or a stack)."""
        return Learner(params, self)


def choice(default: str, *others: str) -> Any:
    """Declare an option that is one of several words."""
    return dataclasses.field(default=default, metadata={"choices": (default, *others)})


def _check_field(field: "dataclasses.Field[Any]", value: Any) -> None:
    choices = field.metadata.get("choices")
    if choices and value not in choices:
        raise unknown_name(field.name, value, choices)
    kind = field.type if isinstance(field.type, type) else str
    if kind is bool and not isinstance(value, bool):
        raise ConfigError(field.name, value, "True or False")
    if kind is int and (type(value) is not int or value < field.metadata.get("least", 1)):
        raise ConfigError(field.name, value, "a whole number, at least 1")
    if kind is float and not (type(value) in (int, float) and 0 <= value < float("inf")):
        raise ConfigError(field.name, value, "a number, 0 or more")


MODELS: Registry[type[Model]] = Registry("architecture")


def mask(logits: jax.Array, vocabulary: Vocabulary) -> jax.Array:
    """Log probabilities from logits, with BOS and PAD impossible."""
    ids = jnp.arange(vocabulary.size)
    return jax.nn.log_softmax(jnp.where(ids <= vocabulary.eos, logits, -jnp.inf))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Learner(Wrapper):
    """A model with its parameters, as a Predictor."""

    params: Params
    model: Model = dataclasses.field(metadata={"static": True})

    @property
    def inner(self) -> Model:
        """The model, which has a vocabulary and a maximum length."""
        return self.model

    def arrays(self) -> dict[str, np.ndarray]:
        """Give the parameters as plain arrays by their path, as `numpy.savez` takes them."""
        leaves, _ = jax.tree_util.tree_flatten_with_path(self.params)
        names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
        return {name: np.asarray(leaf) for name, (_, leaf) in zip(names, leaves, strict=True)}

    def stretch(self, max_length: int) -> "Learner | None":
        """Read strings of another maximum length; None where the weights are for one alone."""
        if self.model.learned_length(self.params) is not None:
            return None
        return dataclasses.replace(
            self, model=dataclasses.replace(self.model, max_length=max_length)
        )

    def start(self) -> State:
        cache = self.model.start(self.params)
        # The logits' dtype is the parameters' own, so that float64 members stay float64.
        shape = jax.eval_shape(lambda: self.model.advance(self.params, cache, jnp.int32(0))[1])
        return cache, jnp.zeros(shape.shape, shape.dtype), jnp.bool_(False)

    def advance(self, state: State, token: jax.Array) -> State:
        cache, _, ended = state
        cache, logits_V = self.model.advance(self.params, cache, token)
        return cache, logits_V, ended | (token == self.vocabulary.eos)

    def log_probs(self, state: State) -> jax.Array:
        _, logits_V, ended = state
        return jnp.where(ended, self._after_end(logits_V), mask(logits_V, self.vocabulary))

    def score(self, tokens_NxT: jax.Array) -> jax.Array:
        """Score in the form that is faster here."""
        if self.model.scans_on_cpu and jax.default_backend() == "cpu":
            self.model.check_positions(tokens_NxT.shape[1])
            return score_by_scan(self, tokens_NxT)
        return self.score_in_parallel(tokens_NxT)

    def score_in_parallel(self, tokens_NxT: jax.Array) -> jax.Array:
        """Score with the model's parallel form."""
        self.model.check_positions(tokens_NxT.shape[1])
        logits_NxTxV = self.model.logits(self.params, tokens_NxT)
        ended_NxT = jnp.cumsum(tokens_NxT == self.vocabulary.eos, 1, dtype=jnp.int32) > 0
        log_p_NxTxV = mask(logits_NxTxV, self.vocabulary)
        after_V = self._after_end(log_p_NxTxV)
        return jnp.where(ended_NxT[..., None], after_V[None, None], log_p_NxTxV)

    def _after_end(self, like: jax.Array) -> jax.Array:
        pad_only_V = jnp.arange(self.vocabulary.size) == self.vocabulary.pad
        return jnp.where(pad_only_V, 0, -jnp.inf).astype(like.dtype)
