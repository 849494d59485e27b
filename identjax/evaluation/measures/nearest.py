"""Which simple law each member is nearest to after prompts."""

import numpy as np

from identjax.evaluation.explaining import compare_laws
from identjax.evaluation.likelihood import laws_after
from identjax.evaluation.measure import AtRung, Found, measure
from identjax.schema import schema_of

TABLES = {
    "nearest": schema_of(
        member_id=str,
        rung=str,
        split=str,
        baseline=str,
        kl=float,
        js=float,
        prompts=int,
        defined=int,
    )
}


@measure("nearest", TABLES, needs="snapshots")
def find_nearest(at: AtRung) -> Found:
    """KL(law‖member) and JS of the next token after prompts, for every simple law."""
    rows = []
    for length in sorted({tokens.shape[1] for tokens in at.prompts.values()}):
        splits = [split for split, tokens in at.prompts.items() if tokens.shape[1] == length]
        together = np.concatenate([at.prompts[split] for split in splits])
        log_p_MxNxV = laws_after(at.stack, together, at.group_size)
        ends = np.cumsum([len(at.prompts[split]) for split in splits])[:-1]
        for split, own in zip(splits, np.split(log_p_MxNxV, ends, 1), strict=True):
            found = compare_laws(at.language, at.prompts[split], own)
            rows += [
                {"split": split, "baseline": name, **near._asdict()} for name, near in found.items()
            ]
    return {"nearest": rows}
