"""Rungs: where in its training a member is looked at, by name, in one order.

An ε such as "0.01" is where its KL to the truth first fell below that; "@500" is after 500 steps;
"final" is where it stopped.
"""

from collections.abc import Iterable

FINAL = "final"
# Members are compared at the smallest ε that this share of them has reached.
MOST = 0.9


def name_epsilon(epsilon: float) -> str:
    """Name the rung of an ε.

    >>> name_epsilon(0.010)
    '0.01'
    """
    return format(epsilon, "g")


def name_step(step: int) -> str:
    """Name the rung of a step."""
    return f"@{step}"


def is_step(rung: str) -> bool:
    """Tell whether a rung is a step."""
    return rung.startswith("@")


def is_epsilon(rung: str) -> bool:
    """Tell whether a rung is an ε."""
    return not is_step(rung) and rung != FINAL


def order(rung: str) -> tuple[int, float]:
    """Sort key: the widest ε first, then steps, then where members stopped.

    >>> sorted(["final", "@20", "0.01", "@3", "1"], key=order)
    ['1', '0.01', '@3', '@20', 'final']
    """
    if rung == FINAL:
        return 2, 0.0
    return (1, float(rung[1:])) if is_step(rung) else (0, -float(rung))


def epsilons(rungs: Iterable[str]) -> list[str]:
    """List those rungs that are an ε, the widest first."""
    return sorted({rung for rung in rungs if is_epsilon(rung)}, key=order)


def find_compared(reached: Iterable[str], members: int) -> str | None:
    """Pick the ε at which members are compared: the smallest that most reached, else the commonest.

    `reached` has a rung as often as there are members that have it; None where none has an ε.

    >>> find_compared(["1", "1", "0.1", "1", "0.1", "final"], members=3)
    '1'
    >>> find_compared(["1", "1", "0.1", "0.1"], members=3)
    '0.1'
    """
    rungs = list(reached)
    counts = {rung: rungs.count(rung) for rung in epsilons(rungs)}
    most = [rung for rung, n in counts.items() if n >= MOST * members]
    return most[-1] if most else max(reversed(counts), key=counts.__getitem__, default=None)


def say(rung: str) -> str:
    """Say what a rung is.

    >>> say("0.01"), say("@1500"), say("final")
    ('ε = 0.01', 'step 1,500', 'where stopped')
    """
    if rung == FINAL:
        return "where stopped"
    return f"step {int(rung[1:]):,}" if is_step(rung) else f"ε = {rung}"
