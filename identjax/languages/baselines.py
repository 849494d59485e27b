"""Predictors to stand beside a learner, and what chance alone gives.

Axes: N prompt, V vocabulary, Q state of a table, R state of a rule's machine, S symbol, E symbol or
EOS, C context, L number of symbols read.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from identjax.errors import ConfigError, unknown_name
from identjax.languages.language import Language
from identjax.languages.law.automaton import MOST_ENTRIES, AutomatonDefinition
from identjax.languages.law.graph import NONE, Graph, explore
from identjax.languages.law.lookup import TableLaw, build_table, make_table, walk
from identjax.languages.rules import Rule
from identjax.predictor import Predictor, State, Wrapper
from identjax.vocabulary import Tokens


def uniform(lang: Language) -> TableLaw:
    """Every symbol and EOS alike, whatever was read.

    >>> from identjax import languages
    >>> score = uniform(languages.make("L3", max_length=4)).score(np.array([[3, 0, 0]]))
    >>> np.exp(score[0, -1]).round(3).tolist()
    [0.3330000042915344, 0.3330000042915344, 0.3330000042915344, 0.0, 0.0]
    """
    symbols = len(lang.vocabulary.symbols)
    return _always(lang, np.full(symbols + 1, -np.log(symbols + 1)))


def eos_now(lang: Language) -> TableLaw:
    """EOS at once, whatever was read."""
    law_E = np.full(len(lang.vocabulary.symbols) + 1, -np.inf)
    law_E[-1] = 0
    return _always(lang, law_E)


def _always(lang: Language, log_p_E: np.ndarray) -> TableLaw:
    return _lead_on(lang, np.zeros((1, len(log_p_E) - 1), np.int32), log_p_E[None])


def _lead_on(lang: Language, moves_QxS: np.ndarray, log_p_QxE: np.ndarray) -> TableLaw:
    """Make a table where also a symbol that the law never gives leads on: a baseline has an
    answer everywhere.
    """
    table = make_table(moves_QxS, log_p_QxE, lang.vocabulary, lang.max_length)
    q, symbols = moves_QxS.shape
    next_state = table.next_state.at[:q, :symbols].set(jnp.asarray(moves_QxS, jnp.int32))
    return dataclasses.replace(table, next_state=next_state)


def chance_rate(lang: Language, rule_name: str, prompts_NxP: Tokens) -> float:
    """How often `uniform` finishes a prompt within max_length and keeps a rule, exactly."""
    if not len(prompts_NxP):
        raise ConfigError("prompts", "none", "at least one prompt")
    return float(hold_rates(lang, uniform(lang), prompts_NxP, rule_name).mean())


def hold_rates(
    lang: Language, table: TableLaw, prompts_NxP: Tokens, rule_name: str | None = None
) -> np.ndarray:
    """How likely a table finishes each prompt within max_length and keeps a rule, [N], exactly.

    v_0(q, r) = p(EOS | q)[r accepts]; v_k(q, r) = v_0(q, r) + Σ_s p(s | q) v_{k−1}(next(q, s),
    next(r, s)), k symbols left, with q a row of the table and r a state of the rule's machine.
    Without a rule, how likely it finishes at all.
    """
    prompts_NxP = np.asarray(prompts_NxP)
    symbols, left = len(lang.vocabulary.symbols), lang.max_length + 1 - prompts_NxP.shape[1]
    next_rule, accepts_R = np.zeros((1, symbols), int), np.ones(1, bool)
    at_N = np.zeros(len(prompts_NxP), int)
    if rule_name is not None:
        rule, start = lang.find_rule(rule_name, prompts_NxP.shape[1] - 1)
        next_rule, accepts_R, at_N = *rule.reach[:2], rule.states(prompts_NxP, start)
    p_QxE = np.exp(np.asarray(table.log_p, np.float64))[:, : symbols + 1]
    total_Q = p_QxE.sum(1, keepdims=True)
    p_QxE = p_QxE / np.where(total_Q > 0, total_Q, 1)
    if len(p_QxE) * len(accepts_R) > MOST_ENTRIES:
        allowed = f"a table of at most {MOST_ENTRIES // len(accepts_R)} states for this rule"
        raise ConfigError("table", len(p_QxE), allowed)
    next_state = np.asarray(table.next_state)
    ends_QxR = p_QxE[:, -1:] * accepts_R
    value_QxR = ends_QxR
    for _ in range(left):
        onward = (
            p_QxE[:, s, None] * value_QxR[np.ix_(next_state[:, s], next_rule[:, s])]
            for s in range(symbols)
        )
        value_QxR = ends_QxR + sum(onward)
    return np.asarray(value_QxR[walk(table, prompts_NxP), at_N])


def noise(lang: Language, rule_name: str | None = None) -> TableLaw:
    """All strings of a length alike, lengths as the truth has them, given that a rule holds.

    q(x) ∝ p(|x|) S^−|x| [x keeps the rule], for an alphabet of S symbols: what is left of a truth
    of whose rules one is known, and nothing else but how long its strings are. It says what
    follows any prompt after which the rule can still hold, impossible ones too, and is dead after
    others. v_l(r) = p(l)[r accepts] + Σ_s v_{l+1}(next(r, s))/S weighs all that may follow a
    prefix of l symbols. Without a rule all strings are meant.

    >>> from identjax import languages
    >>> table = noise(languages.make("L3", max_length=4), "R1")
    >>> np.exp(table.score(np.array([[3, 1, 1]]))[0, -1]).round(3).tolist()
    [1.0, 0.0, 0.0, 0.0, 0.0]
    """
    symbols, levels = len(lang.vocabulary.symbols), lang.max_length + 1
    next_rule, accepts_R = np.zeros((1, symbols), int), np.ones(1, bool)
    if rule_name is not None:
        next_rule, accepts_R, _ = lang.find_rule(rule_name, 0)[0].reach
    states = len(accepts_R)
    if levels * states * symbols > MOST_ENTRIES:
        allowed = f"at most {MOST_ENTRIES // (states * symbols) - 1} for the rule {rule_name}"
        raise ConfigError("max_length", lang.max_length, allowed)
    ends_LxR = lang.length_probs[:, None] * accepts_R
    value_LxR, onward = np.zeros((levels + 1, states)), np.zeros((levels, states, symbols))
    for level in reversed(range(levels)):
        onward[level] = value_LxR[level + 1][next_rule] / symbols
        value_LxR[level] = ends_LxR[level] + onward[level].sum(1)
    joint = np.concatenate([onward, ends_LxR[..., None]], -1).reshape(levels * states, -1)
    total = joint.sum(1, keepdims=True)
    with np.errstate(divide="ignore"):
        log_p = np.log(joint) - np.log(np.where(total > 0, total, 1))
    moves = next_rule[None] + states * np.arange(1, levels + 1)[:, None, None]
    moves[-1] = NONE
    return make_table(moves.reshape(-1, symbols), log_p, lang.vocabulary, lang.max_length)


def ngram(lang: Language, order: int) -> TableLaw:
    """The law of the next token given the last order−1 symbols only, fitted to the truth.

    q(o | c) = Σ_t p(c at t, o next) / Σ_t p(c at t), exact. Contexts that the truth never shows
    use their longest ending that it does.
    """
    if type(order) is not int or order < 1:
        raise ConfigError("order", order, "a whole number, at least 1")
    graph = _graph_of(lang, "an n-gram")
    base = len(lang.vocabulary.symbols) + 1
    contexts = base ** (order - 1)
    if contexts > 2**16:
        raise ConfigError("order", order, f"at most {1 + int(np.log(2**16) / np.log(base))}")
    mass_CxE = _back_off(_count_contexts(graph, base, contexts), base, order)
    with np.errstate(divide="ignore"):
        log_p_CxE = np.log(mass_CxE) - np.log(mass_CxE.sum(1, keepdims=True))
    moves_CxS = (np.arange(contexts)[:, None] * base + np.arange(1, base)[None]) % contexts
    return _lead_on(lang, moves_CxS, log_p_CxE)


def _count_contexts(graph: Graph, base: int, contexts: int) -> np.ndarray:
    """Expected counts of each next token after each context, [C, S+1]."""
    found_CxE = np.zeros((contexts, base))
    codes: np.ndarray = np.zeros(1, np.int64)
    mass: np.ndarray = np.ones(1)
    p = np.exp(graph.log_p)
    while len(codes):
        q, context = np.divmod(codes, contexts)
        flow = mass[:, None] * p[q]
        np.add.at(found_CxE, context, flow)
        n, s = np.nonzero(flow[:, :-1])
        onward = graph.next_state[q[n], s] * contexts + (context[n] * base + s + 1) % contexts
        codes, inverse = np.unique(onward, return_inverse=True)
        mass = np.bincount(inverse, flow[n, s], minlength=len(codes))
    return found_CxE


def _back_off(mass_CxE: np.ndarray, base: int, order: int) -> np.ndarray:
    for kept in range(order - 2, -1, -1):
        ending = np.arange(len(mass_CxE)) % base**kept
        shorter = np.zeros((base**kept, base))
        np.add.at(shorter, ending, mass_CxE)
        unseen = mass_CxE.sum(1) == 0
        mass_CxE = np.where(unseen[:, None], shorter[ending], mass_CxE)
    return mass_CxE


def restricted(lang: Language, rule: Rule | str) -> TableLaw:
    """The truth given that the string keeps a rule: p(x) [x keeps it] / p(it is kept).

    A rule by name is one of the language's own.
    """
    if isinstance(rule, str):
        if rule not in lang.definition.rules:
            raise unknown_name("rule", rule, lang.definition.rules or ["none"])
        rule = lang.definition.rules[rule]
    graph = _graph_of(lang, "a restriction")
    machine = rule.compile(lang.vocabulary.symbols, lang.max_length)

    def step(states: np.ndarray, symbol: int) -> tuple[np.ndarray, np.ndarray]:
        q, moved = states[:, 0], machine.step(states[:, 1:], np.full(len(states), symbol))
        return np.column_stack([graph.next_state[q, symbol], moved]), graph.log_p[q, symbol]

    def weigh(states: np.ndarray) -> np.ndarray:
        return np.where(machine.accepts(states[:, 1:]), graph.log_p[states[:, 0], -1], -np.inf)

    start = np.append(0, machine.start)
    found = explore(start, step, weigh, len(lang.vocabulary.symbols), lang.max_length)
    if found.log_backward[0] == -np.inf:
        raise ConfigError("rule", rule, f"one that a string of {lang.name} keeps")
    return build_table(found, lang.vocabulary, lang.max_length)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Tempered(Wrapper):
    """A predictor with its conditionals raised to 1/temperature and normalised again."""

    core: Predictor
    temperature: jax.Array

    def log_probs(self, state: State) -> jax.Array:
        return self._temper(self.core.log_probs(state))

    def score(self, tokens_NxT: jax.Array) -> jax.Array:
        return self._temper(self.core.score(tokens_NxT))

    def _temper(self, log_p: jax.Array) -> jax.Array:
        raised = log_p / self.temperature
        total = jax.nn.logsumexp(raised, -1, keepdims=True)
        return jnp.where(log_p > -jnp.inf, raised - jnp.where(total > -jnp.inf, total, 0), -jnp.inf)


def tempered(predictor: Predictor, temperature: float) -> Tempered:
    """Temper the conditionals of any predictor, a truth or a learner."""
    if not temperature > 0:
        raise ConfigError("temperature", temperature, "a number above 0")
    return Tempered(predictor, jnp.float32(temperature))


def _graph_of(lang: Language, purpose: str) -> Graph:
    if not isinstance(lang.definition, AutomatonDefinition):
        allowed = f"a language that is a finite automaton at each length, for {purpose} to be exact"
        raise ConfigError("language", lang.name, allowed)
    return lang.definition.graph
