"""What the members of one group do at one rung, and the baselines beside them, as table rows."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from identjax.evaluation.completions import Continuations, complete_members
from identjax.evaluation.eval_tables import join_rows, make_rows
from identjax.evaluation.likelihood import measure_kl
from identjax.evaluation.masses import measure_masses
from identjax.evaluation.rates import Rates, judge_members
from identjax.languages.baselines import chance_rate, eos_now
from identjax.languages.language import Language
from identjax.predictor import Predictor, complete
from identjax.training.objective import find_judged
from identjax.vocabulary import Tokens, Vocabulary

SPLITS = ("id", "ood", "bos")
UNDEFINED = "the truth gives these prompts probability zero, so its continuation is not defined"


@dataclasses.dataclass(frozen=True)
class Decoding:
    """How prompts are made and continued; the defaults are those of the tables in evals/ itself.

    `published`: splits may also be the sets of prompts that a language has under a name.
    """

    prompt_length: int | None = None
    seed: int | None = None
    published: bool = False

    @property
    def table_suffix(self) -> str:
        """What is added to a table's name, "" for the defaults."""
        length = "" if self.prompt_length is None else f"_length{self.prompt_length}"
        length += "" if self.seed is None else f"_sampled{self.seed}"
        return length + ("_published" if self.published else "")


def make_prompts(
    language: Language,
    splits: Iterable[str],
    decoding: Decoding,
    objectives: Iterable[str] = (),
) -> dict[str, Tokens]:
    """Give the prompts of each split that has any; what an objective teaches is not judged."""
    found = {}
    for split in splits:
        if split not in SPLITS and split not in language.family.published:
            continue
        length = None if split == "bos" else decoding.prompt_length
        tokens = np.asarray(language.prompts(split, length).tokens, np.int32)
        tokens = find_judged(objectives, language, split, tokens)
        if len(tokens):
            found[split] = tokens
    return found


def measure_likelihood(
    language: Language,
    stack: Predictor,
    ids: Sequence[str],
    rung: str,
    steps: Sequence[int],
    members: int | None = None,
) -> pa.Table:
    """Make the likelihood rows of members at a rung; `members` is how many a group may have."""
    kl = measure_kl(language, stack, members=members)
    return make_rows(
        "likelihood",
        {
            "member_id": ids,
            "rung": rung,
            "step": list(steps),
            "kl_nats": kl.kl_nats,
            "kl_stderr": kl.kl_stderr,
        },
    )


def measure_dynamics(
    language: Language,
    stack: Predictor,
    ids: Sequence[str],
    rung: str,
    steps: Sequence[int],
    members: int | None = None,
) -> pa.Table:
    """Make the dynamics rows of members at a rung: the mass of short strings, by the rules kept."""
    found = measure_masses(language, stack, members)
    if found is None:
        return join_rows("dynamics", [])
    names = {"member_id": ids, "rung": rung, "step": list(steps), "longest": found.longest}
    rows = [
        make_rows(
            "dynamics",
            {
                **names,
                "region": region,
                "mass": mass_M,
                "strings": [found.strings.get(region)] * len(ids),
            },
        )
        for region, mass_M in found.masses.items()
    ]
    return join_rows("dynamics", rows)


def measure_behaviour(
    language: Language,
    stack: Predictor,
    ids: Sequence[str],
    rung: str,
    prompts: dict[str, Tokens],
    decoding: Decoding,
    members: int | None = None,
) -> dict[str, pa.Table]:
    """Make the completions and rules rows of members at a rung, for every split."""
    completions, rules = [], []
    for split, found in _complete_splits(stack, prompts, decoding.seed, members).items():
        completions.append(_list_completions(language, ids, rung, split, prompts[split], found))
        for rule in language.judged:
            rates = judge_members(language, rule, prompts[split], *found)
            names = {"member_id": ids, "rung": rung, "split": split, "rule": rule}
            rules.append(make_rows("rules", {**names, **_rate_columns(rates)}))
    return {
        "completions": join_rows("completions", completions),
        "rules": join_rows("rules", rules),
    }


def _complete_splits(
    stack: Predictor, prompts: dict[str, Tokens], seed: int | None, members: int | None
) -> dict[str, Continuations]:
    """Continue all prompts of one length in one call, so that it is compiled once."""
    found = {}
    for length in sorted({tokens.shape[1] for tokens in prompts.values()}):
        splits = [split for split, tokens in prompts.items() if tokens.shape[1] == length]
        together = np.concatenate([prompts[split] for split in splits])
        done = complete_members(stack, together, seed, members)
        ends = np.cumsum([len(prompts[split]) for split in splits])[:-1]
        parts = zip(np.split(done.tokens, ends, 1), np.split(done.finished, ends, 1), strict=True)
        found.update({s: Continuations(*part) for s, part in zip(splits, parts, strict=True)})
    return {split: found[split] for split in prompts}


def _list_completions(
    language: Language,
    ids: Sequence[str],
    rung: str,
    split: str,
    prompts_NxP: Tokens,
    found: Continuations,
) -> pa.Table:
    m, n = found.finished.shape
    after = found.tokens[:, :, prompts_NxP.shape[1] :].reshape(m * n, -1)
    return make_rows(
        "completions",
        {
            "member_id": np.repeat(np.asarray(ids, object), n),
            "rung": rung,
            "split": split,
            "prompt": np.tile(decode_rows(language.vocabulary, prompts_NxP), m),
            "completion": decode_rows(language.vocabulary, after),
            "finished": found.finished.reshape(-1),
        },
    )


def decode_rows(vocabulary: Vocabulary, tokens_NxT: Tokens) -> np.ndarray:
    """Give the text of every row; equal rows, of which there are many, are decoded once."""
    distinct, place = np.unique(tokens_NxT, axis=0, return_inverse=True)
    texts = np.array([vocabulary.decode(row) for row in distinct], object)
    return texts[place.reshape(-1)]


def _rate_columns(rates: Rates) -> dict[str, object]:
    return {
        "rate": rates.rate,
        "rate_finished": rates.rate_finished,
        "finished": rates.finished,
        "prompts": rates.prompts,
        "unsatisfiable": rates.unsatisfiable,
    }


def measure_baselines(
    language: Language, names: dict[str, str | int], prompts: dict[str, Tokens]
) -> pa.Table:
    """Make the baselines rows of a truth: chance, "EOS now", and the truth where it is defined.

    Chance draws every token uniformly from the symbols and EOS; its rate is exact. `names` says
    which truth it is.
    """
    rows = []
    for split, tokens in prompts.items():
        ends = _judge_one(language, eos_now(language), tokens)
        true = None if split == "ood" else _judge_one(language, language, tokens)
        for rule in language.judged:
            chance = _judge_chance(language, rule, tokens, ends[rule])
            for name, rates in (("chance", chance), ("eos_now", ends[rule])):
                rows.append(_baseline_row(names, name, split, rule, rates))
            rows.append(_baseline_row(names, "truth", split, rule, true[rule] if true else None))
    return join_rows("baselines", rows)


def _judge_one(language: Language, predictor: Predictor, tokens: Tokens) -> dict[str, Rates]:
    done = complete(predictor, tokens)
    found = np.asarray(done.tokens)[None], np.asarray(done.finished)[None]
    return {rule: judge_members(language, rule, tokens, *found) for rule in language.judged}


def _judge_chance(language: Language, rule: str, tokens: Tokens, like: Rates) -> Rates:
    possible = np.asarray(language.satisfiable(rule, tokens), bool)
    rate = chance_rate(language, rule, tokens[possible]) if possible.any() else np.nan
    nothing = np.full(1, np.nan)
    return Rates(np.full(1, rate), nothing, nothing, like.prompts, like.unsatisfiable)


def _baseline_row(
    names: dict[str, str | int], baseline: str, split: str, rule: str, rates: Rates | None
) -> pa.Table:
    nothing = np.full(1, np.nan)
    columns = _rate_columns(rates or Rates(nothing, nothing, nothing, 0, 0))
    reason = "" if rates else UNDEFINED
    own = {"baseline": baseline, "split": split, "rule": rule, "reason": reason}
    return make_rows("baselines", {**names, **own, **columns})
