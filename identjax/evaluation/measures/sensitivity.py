"""How rule rates move with the length of the prompts and with the length at which texts are cut.

Axes: M member, N prompt, T position.
"""

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from identjax.errors import ConfigError
from identjax.evaluation.completions import Continuations, complete_together
from identjax.evaluation.measure import AtRung, Found, Rows, measure
from identjax.evaluation.measures.masses import is_judged
from identjax.evaluation.rates import RATE_COLUMNS, judge_rows, share_kept
from identjax.languages import Language
from identjax.languages.baselines import chance_rate
from identjax.languages.judge import bind
from identjax.models.model import Learner
from identjax.schema import schema_of
from identjax.training.objective import find_judged
from identjax.vocabulary import Tokens

LENGTHS = (4, 6, 8, 10, 12)
TIMES = 2
COLUMNS = {name: kind for name, kind in RATE_COLUMNS.items() if name != "unsatisfiable"}
TABLES = {
    "sensitivity": schema_of(
        **dict.fromkeys(("member_id", "rung", "split"), str),
        length=int,
        cap=int,
        rule=str,
        **COLUMNS,
        chance=float,
    )
}


@measure("sensitivity", TABLES, needs="snapshots", at="compared", applies=is_judged)
def measure_sensitivity(at: AtRung, lengths: Sequence[int] = LENGTHS, prompts: int = 128) -> Found:
    """Judge greedy completions of prompts of several lengths, cut at max_length and at twice that.

    At most so many prompts of a length are asked, drawn evenly by the rules they break; those of
    the papers' length are among them. Both cuts are of one completion, because greedy ones begin
    alike. Beyond max_length members write at positions that training never had; those whose
    weights are for one maximum length cannot, and have no rows there.
    """
    language, cap = at.language, at.language.max_length
    known = tuple(sorted(n for n in {*lengths, language.prompt_length} if n <= cap))
    asked = {
        (split, length): tokens
        for split in at.prompts
        for length in ((0,) if split == "bos" else known)
        if len(tokens := draw_some(language, at.truth.objectives, split, length, prompts))
    }
    longer = at.stack.stretch(TIMES * cap) if isinstance(at.stack, Learner) else None
    done = complete_together(longer or at.stack, list(asked.values()), members=at.group_size)
    caps = (cap, TIMES * cap) if longer else (cap,)
    rows = [
        {"split": split, "length": length, "rule": rule, **rates}
        for ((split, length), tokens), own in zip(asked.items(), done, strict=True)
        for rule in language.judged
        for rates in judge_at_caps(language, rule, tokens, own, caps)
    ]
    return {"sensitivity": rows}


@functools.lru_cache(maxsize=64)
def draw_some(
    language: Language, objectives: tuple[str, ...], split: str, length: int, n: int
) -> Tokens:
    """Draw prompts of a length that no objective teaches; none where all are taught."""
    drawn = np.asarray(language.prompts(split, length, n=n).tokens, np.int32)
    try:
        return find_judged(objectives, language, split, drawn)
    except ConfigError:
        return drawn[:0]


def judge_at_caps(
    language: Language, rule: str, prompts_NxP: Tokens, done: Continuations, caps: Sequence[int]
) -> Iterator[Rows]:
    """Judge completions by a rule, as they are when cut at each of several lengths.

    The prompts are those after which it can still hold within max_length, whatever the cut; so is
    chance that of max_length.
    """
    possible_N = np.asarray(language.satisfiable(rule, prompts_NxP), bool)
    tokens_MxNxT = done.tokens[:, possible_N]
    m, n, width = tokens_MxNxT.shape
    bound, start = language.find_rule(rule, prompts_NxP.shape[1] - 1)
    long = bind(bound.rule, language.vocabulary, width - 2)
    held = judge_rows(lambda rows: long.holds(rows, start), tokens_MxNxT.reshape(m * n, width))
    written_MxN = (tokens_MxNxT < language.vocabulary.eos).sum(-1)
    chance = chance_rate(language, rule, prompts_NxP[possible_N]) if n else np.nan
    for cap in caps:
        ended_MxN = done.finished[:, possible_N] & (written_MxN <= cap)
        rates = share_kept(held.reshape(m, n), ended_MxN)._asdict()
        yield {name: rates[name] for name in COLUMNS} | {"cap": cap, "chance": chance}
