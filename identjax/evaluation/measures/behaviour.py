"""What members write after prompts, and which rules that keeps."""

import numpy as np

from identjax.evaluation.completions import Continuations, complete_together
from identjax.evaluation.measure import AtRung, Found, Rows, measure
from identjax.evaluation.prompting import decode_rows
from identjax.evaluation.rates import RATE_COLUMNS, judge_members
from identjax.schema import schema_of

TABLES = {
    "completions": schema_of(
        member_id=str, rung=str, split=str, prompt=str, completion=str, finished=bool
    ),
    "rules": schema_of(member_id=str, rung=str, split=str, rule=str, **RATE_COLUMNS),
}


@measure("behaviour", TABLES, needs="snapshots", decodes=True)
def measure_behaviour(at: AtRung) -> Found:
    """Continue the prompts of every split greedily, and judge what follows by every rule."""
    completions, rules = [], []
    size, seed = at.group_size, at.decoding.seed
    done = complete_together(at.stack, list(at.prompts.values()), seed, size)
    for split, found in zip(at.prompts, done, strict=True):
        completions.append(_list_completions(at, split, found))
        for rule in at.language.judged:
            rates = judge_members(at.language, rule, at.prompts[split], *found)
            rules.append({"split": split, "rule": rule, **rates._asdict()})
    return {"completions": completions, "rules": rules}


def _list_completions(at: AtRung, split: str, found: Continuations) -> Rows:
    prompts_NxP, vocabulary = at.prompts[split], at.language.vocabulary
    m, n = found.finished.shape
    after = found.tokens[:, :, prompts_NxP.shape[1] :].reshape(m * n, -1)
    return {
        "member_id": np.repeat(np.asarray(at.ids, object), n),
        "split": split,
        "prompt": np.tile(decode_rows(vocabulary, prompts_NxP), m),
        "completion": decode_rows(vocabulary, after),
        "finished": found.finished.reshape(-1),
    }
