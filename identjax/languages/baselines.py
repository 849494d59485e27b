"""Predictors to stand beside a learner, and what chance alone gives.

Axes: N prompt, V vocabulary, Q machine state, S symbol, C context.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from identjax.errors import ConfigError, unknown_name
from identjax.languages.language import Language
from identjax.languages.law.automaton import AutomatonDefinition
from identjax.languages.law.graph import Graph, explore
from identjax.languages.law.lookup import TableLaw, build_table, make_table
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
    """How often `uniform` finishes a prompt within max_length and keeps a rule, exactly.

    v_0 = [accepts]/(S+1); v_k = ([accepts] + Σ_s v_{k−1}(next(·, s)))/(S+1), k symbols left.
    """
    prompts_NxP = np.asarray(prompts_NxP)
    if not len(prompts_NxP):
        raise ConfigError("prompts", "none", "at least one prompt")
    rule, start = lang.find_rule(rule_name, prompts_NxP.shape[1] - 1)
    reach, ways = rule.reach, len(lang.vocabulary.symbols) + 1
    value_Q = reach.accepts / ways
    for _ in range(lang.max_length - (prompts_NxP.shape[1] - 1)):
        value_Q = (reach.accepts + value_Q[reach.next_state].sum(1)) / ways
    return float(value_Q[rule.states(prompts_NxP, start)].mean())


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
