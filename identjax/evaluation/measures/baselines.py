"""What needs no learning: chance, ending at once, and the truth where it is defined."""

import numpy as np

from identjax.evaluation.measure import AtTruth, Found, Rows, measure
from identjax.evaluation.rates import RATE_COLUMNS, Rates, judge_members
from identjax.languages import Language
from identjax.languages.baselines import chance_rate, eos_now
from identjax.predictor import Predictor, complete
from identjax.schema import TRUTH, schema_of
from identjax.vocabulary import Tokens

UNDEFINED = "the truth gives these prompts probability zero, so its continuation is not defined"
TABLES = {
    "baselines": schema_of(**TRUTH, baseline=str, split=str, rule=str, **RATE_COLUMNS, reason=str)
}
_NOTHING = np.full(1, np.nan)


@measure("baselines", TABLES, needs="language", applies=lambda language: bool(language.judged))
def measure_baselines(at: AtTruth) -> Found:
    """Judge chance, "EOS now", and the truth where it is defined.

    Chance draws every token uniformly from the symbols and EOS; its rate is exact.
    """
    language, rows = at.language, []
    for split, tokens in at.prompts.items():
        ends = _judge_one(language, eos_now(language), tokens)
        true = {} if split == "ood" else _judge_one(language, language, tokens)
        for rule in language.judged:
            chance = _judge_chance(language, rule, tokens, ends[rule])
            judged = {"chance": chance, "eos_now": ends[rule], "truth": true.get(rule)}
            rows += [_row(name, split, rule, rates) for name, rates in judged.items()]
    return {"baselines": rows}


def _judge_one(language: Language, predictor: Predictor, tokens: Tokens) -> dict[str, Rates]:
    done = complete(predictor, tokens)
    found = np.asarray(done.tokens)[None], np.asarray(done.finished)[None]
    return {rule: judge_members(language, rule, tokens, *found) for rule in language.judged}


def _judge_chance(language: Language, rule: str, tokens: Tokens, like: Rates) -> Rates:
    possible = np.asarray(language.satisfiable(rule, tokens), bool)
    rate = chance_rate(language, rule, tokens[possible]) if possible.any() else np.nan
    return Rates(np.full(1, rate), _NOTHING, _NOTHING, like.prompts, like.unsatisfiable)


def _row(baseline: str, split: str, rule: str, rates: Rates | None) -> Rows:
    columns = (rates or Rates(_NOTHING, _NOTHING, _NOTHING, 0, 0))._asdict()
    reason = "" if rates else UNDEFINED
    return {"baseline": baseline, "split": split, "rule": rule, "reason": reason, **columns}
