"""The words of the page, each in a sentence; docs/concepts.md has them in full."""

from collections.abc import Sequence

from identjax.report.block import Block, block
from identjax.report.view import View

WORDS = {
    "truth": "The language itself: it gives every string its exact probability.",
    "member": "One model, trained with one set of choices and seeds.",
    "cell": "The members that share every choice and differ by their seeds alone.",
    "KL to the truth": (
        "KL(truth‖member), how many nats per sequence a member loses against the truth. Exact "
        "where the strings can be listed, else an estimate with a standard error."
    ),
    "ε": "A distance from the truth, in nats per sequence. Members are compared at equal ε.",
    "snapshot": "A member's parameters when its KL to the truth was first seen below an ε.",
    "rung": "Where members are looked at: an ε, a number of steps, or where they stopped.",
    "prompt": "The beginning of a string, which a member goes on from.",
    "possible": (
        "A prompt with which some string of the truth begins; also called in distribution. An "
        "automaton decides."
    ),
    "impossible": (
        "A prompt that the truth gives probability zero, so that the loss says nothing of what "
        "follows; also called out of distribution."
    ),
    "R1, R2": "The rules that all strings of the language keep, judged on the whole string.",
    "R2c": "R2, judged on what the member wrote after the prompt alone.",
    "cap": "The greatest length of prompt and completion together; what is longer is cut off.",
    "finish": "A completion finishes where the member writes the end mark within the cap.",
    "rate": (
        "The share of judged prompts whose greedy completion finishes and keeps the rule. A prompt "
        "is judged where the rule can still hold."
    ),
    "churn": "The share of prompts that two members complete differently.",
    "KL, JS, TV": (
        "Distances between two laws of the next token, in nats for the first two: KL is at most ∞, "
        "JS at most ln 2 = 0.69, total variation at most 1."
    ),
    "profile": "How far two members' rule rates are apart, the mean over rules.",
    "capacity": "How many nats one next token can tell about which member wrote it.",
    "slope of divergence": (
        "1 where members come together as fast as they near the truth, 0 where they do not come "
        "together, below 0 where they part."
    ),
    "interval": (
        "95%, over members that differ in their seeds; prompts are not replicates. Below five "
        "members there is none. No interval on this page is corrected for how many there are: of "
        "twenty, one may miss."
    ),
}


@block("words", place=990, of="page")
def show(views: Sequence[View]) -> Block:
    """Say what the words of the page mean."""
    return Block("Words", terms=tuple(WORDS.items()))
