"""What every language is: a truth with exact numbers, rules, and prompts."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from identjax.errors import ConfigError, unknown_name
from identjax.keys import Purpose, key_for
from identjax.languages.definition import LANGUAGES, Definition, LengthSampler
from identjax.languages.judge import BoundRule, bind, check_tokens
from identjax.languages.law.draw import Pool, sample_by_scan
from identjax.languages.law.graph import Support
from identjax.languages.law.uniform import RuleDefinition
from identjax.languages.prompts import (
    CLASSIFIED_UP_TO,
    DEFAULT_DRAWS,
    LISTED_UP_TO,
    PROMPT_SETS,
    Prompts,
    draw_evenly,
    encode_all,
    list_all,
    vary,
)
from identjax.languages.rules import Rule
from identjax.predictor import Predictor, Wrapper
from identjax.vocabulary import Tokens


def make(name: str, max_length: int, **options: Any) -> "Language":
    """Make a registered language.

    >>> lang = make("L3", max_length=4)
    >>> lang.count, round(lang.entropy, 4), lang.vocabulary.decode(lang.support()[0][1])
    (2, 0.6931, 'aabb')
    """
    definition = LANGUAGES[name]
    known = [field.name for field in dataclasses.fields(definition)[1:]]
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {definition.name}", option, known or ["none"])
    try:
        return _make(definition, max_length, **{k: _freeze(v) for k, v in options.items()})
    except TypeError as error:
        raise ConfigError(
            "language_options", options, f"what {definition.name} takes: {error}"
        ) from error


@functools.lru_cache(maxsize=64)
def _make(definition: type[Definition], max_length: int, **options: Any) -> "Language":
    return Language.of(definition(max_length, **options))


def _freeze(value: Any) -> Any:
    """Turn lists, as configs have them, into tuples, which hash."""
    return tuple(_freeze(part) for part in value) if isinstance(value, list | tuple) else value


# Equal only to itself, so that it can be a key of what is kept: arrays have no hash.
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Language(Wrapper):
    """A truth: the exact law as a Predictor, and what is known of it.

    `core` is the law; `pool` has all strings where they are few, to draw from at once.
    """

    core: Predictor
    pool: Pool | None
    definition: Definition = dataclasses.field(metadata={"static": True})

    @classmethod
    def of(cls, definition: Definition) -> "Language":
        """Make the language of a definition."""
        found = _support(definition, 4096)
        return cls(definition.build(), Pool.of(*found) if found else None, definition)

    @classmethod
    def from_rules(cls, alphabet: Iterable[str], rule: Rule, max_length: int) -> "Language":
        """Make the language uniform over lengths, and over the strings of each, of a rule.

        >>> from identjax.languages.rules import equal_counts, ordered
        >>> lang = Language.from_rules("ab", equal_counts("ab") & ordered("ab"), max_length=4)
        >>> [lang.vocabulary.decode(row) for row in lang.support()[0]]
        ['', 'ab', 'aabb']
        """
        return cls.of(RuleDefinition(max_length, tuple(alphabet), rule))

    @property
    def name(self) -> str:
        """The registered name."""
        return self.definition.name

    @property
    def prompt_length(self) -> int:
        """The papers' prompt length, or max_length where that is shorter."""
        return min(self.definition.prompt_length, self.max_length)

    @property
    def entropy(self) -> float:
        """Nats per string, exact."""
        return self.definition.entropy

    @property
    def length_probs(self) -> np.ndarray:
        """The exact law of the number of symbols, [max_length+1]."""
        return self.definition.length_probs

    @property
    def mean_targets(self) -> float:
        """The mean number of symbols, plus one for EOS."""
        return float(self.length_probs @ np.arange(self.max_length + 1)) + 1

    @property
    def count(self) -> int | None:
        """The number of strings, None where it cannot be computed."""
        return self.definition.count

    def support(self, limit: int = 4096) -> Support | None:
        """Give all strings [S, max_length+2], by length and then symbols, with log p [S].

        None where there are more than `limit`.
        """
        return _support(self.definition, limit)

    def score(self, tokens_NxT: jax.Array) -> jax.Array:
        """Score with the law's own form; raise on tokens outside the vocabulary."""
        check_tokens(self.vocabulary, tokens_NxT)
        return _score(self.core, jnp.asarray(tokens_NxT, jnp.int32))

    @functools.partial(jax.jit, static_argnames=("n",))
    def sample(self, key: jax.Array, n: int) -> jax.Array:
        if self.pool is not None:
            return self.pool.sample(key, n)
        if type(self.core).sample is Predictor.sample:
            return sample_by_scan(self.core, key, n)
        return self.core.sample(key, n)

    @property
    def by_length(self) -> LengthSampler:
        """The sampler from p(· | length), a pytree to pass into jit; all PAD if it has none."""
        return _by_length(self.definition)

    @property
    def rules(self) -> Mapping[str, BoundRule]:
        """The rules by name."""
        rules = self.definition.rules.items()
        return {name: bind(rule, self.vocabulary, self.max_length) for name, rule in rules}

    @property
    def judged(self) -> tuple[str, ...]:
        """What completions are judged by; nothing where a language has no rules."""
        return (*self.definition.rules, "R2c") if self.definition.rules else ()

    def judge(self, name: str, tokens_NxT: jax.Array | Tokens, prompt_length: int) -> jax.Array:
        """Judge prompts with their completions by a rule, [N]; R2c sees the generated part."""
        rule, start = self.find_rule(name, prompt_length)
        return rule.holds(tokens_NxT, start)

    def satisfiable(self, name: str, prompts_NxP: Tokens) -> np.ndarray:
        """Tell which prompts have a continuation within max_length that makes a rule hold, [N]."""
        rule, start = self.find_rule(name, np.shape(prompts_NxP)[1] - 1)
        return rule.satisfiable(prompts_NxP, start)

    def possible(self, tokens_NxT: jax.Array | Tokens) -> np.ndarray:
        """Tell which prefixes have positive probability, [N], by reachability in the law."""
        check_tokens(self.vocabulary, tokens_NxT)
        tokens_NxT = np.asarray(tokens_NxT, np.int32)
        # One width for all prefix lengths and two numbers of rows, so that little is compiled.
        n, length = tokens_NxT.shape
        block, width = 256 if n <= 256 else 8192, max(length, self.max_length + 2)
        padded = np.full((-(-n // block) * block, width), self.vocabulary.pad, np.int32)
        padded[:n, :length] = tokens_NxT
        parts = [padded[at : at + block] for at in range(0, n, block)]
        alive = [np.asarray(_alive(self.core, part, jnp.int32(length))) for part in parts]
        return np.concatenate([np.zeros(0, bool), *alive])[:n]

    def prompts(
        self,
        split: str,
        length: int | None = None,
        key: jax.Array | None = None,
        n: int | None = None,
    ) -> Prompts:
        """Give the prompts of a split: id, ood, bos, or a published set.

        `id` prompts have positive probability as prefixes, `ood` ones have none. All are listed
        where there are few; otherwise n are drawn, `ood` ones evenly by the rules they break.
        """
        if split in (published := self.published):
            return self.describe(encode_all(self.vocabulary, published[split]))
        if split not in ("id", "ood", "bos"):
            raise unknown_name("split", split, ["id", "ood", "bos", *published])
        if split == "bos":
            return self.describe(list_all(self.vocabulary, 0))
        length = self.prompt_length if length is None else length
        if type(length) is not int or not 0 <= length <= self.max_length:
            allowed = f"0 to {self.max_length} symbols, the maximum length"
            raise ConfigError("length", length, allowed)
        key = key_for(0, Purpose.PROMPTS) if key is None else key
        candidates = self._propose(length, key, n or DEFAULT_DRAWS)
        found = self.describe(candidates[self.possible(candidates) == (split == "id")])
        if n is None and len(self.vocabulary.symbols) ** length <= LISTED_UP_TO:
            return found
        return draw_evenly(found, key, n or DEFAULT_DRAWS)

    def _propose(self, length: int, key: jax.Array, n: int) -> Tokens:
        """List all prompts of a length; where they are many, draw some that are near strings."""
        if len(self.vocabulary.symbols) ** length <= CLASSIFIED_UP_TO:
            return list_all(self.vocabulary, length)
        return vary(self.vocabulary, np.asarray(self.sample(key, 16 * n)), length, key)

    def describe(self, tokens_NxP: Tokens) -> Prompts:
        """Find which rules each prompt breaks beyond repair."""
        names = self.definition.rules
        return Prompts(tokens_NxP, {name: ~self.satisfiable(name, tokens_NxP) for name in names})

    @property
    def published(self) -> Mapping[str, Iterable[str]]:
        """Prompts that have a name, as text: those of papers, and those of a study."""
        own, added = self.definition, PROMPT_SETS
        return {**own.published, **(added[self.name](own) if self.name in added else {})}

    def find_rule(self, name: str, prompt_length: int) -> tuple[BoundRule, int]:
        """Give a judged rule, and the token position from which it looks at a string."""
        if name not in self.judged:
            raise unknown_name("rule", name, self.judged or ["none"])
        if name != "R2c":
            return self.rules[name], 0
        fixed = self.definition.completion_from
        return self.rules["R2"], 1 + prompt_length if fixed is None else fixed


@functools.lru_cache(maxsize=64)
def _support(definition: Definition, limit: int) -> Support | None:
    count = definition.count
    return None if count is None or count > limit else definition.enumerate()


@functools.lru_cache(maxsize=16)
def _by_length(definition: Definition) -> LengthSampler:
    return definition.build_by_length()


@jax.jit
def _score(core: Predictor, tokens_NxT: jax.Array) -> jax.Array:
    return core.score(tokens_NxT)


@jax.jit
def _alive(core: Predictor, tokens_NxT: jax.Array, length: jax.Array) -> jax.Array:
    """Read the first `length` tokens of each row, and tell where something can follow."""
    read = jax.vmap(core.advance)
    start = jax.vmap(lambda _: core.start())(tokens_NxT[:, 0])
    states = jax.lax.fori_loop(0, length, lambda t, now: read(now, tokens_NxT[:, t]), start)
    return (jax.vmap(core.log_probs)(states) > -jnp.inf).any(-1)
