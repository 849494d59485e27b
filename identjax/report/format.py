"""Numbers in words and cells: as short as they can be without saying something false."""

import math

NOTHING = "–"
SPLITS = {"id": "in distribution", "ood": "out of distribution", "bos": "from nothing"}


def share(value: float | None) -> str:
    """Write a share; only what is exactly 0 or 1 is written so.

    >>> share(0.4567), share(0.9996), share(1.0), share(None)
    ('0.46', '0.9996', '1.00', '–')
    """
    if value is None or math.isnan(value):
        return NOTHING
    for places in range(2, 9):
        text = f"{value:.{places}f}"
        if float(text) not in (0.0, 1.0) or value == float(text):
            return text
    return f"{value:.2f}"


def nats(value: float | None) -> str:
    """Write a divergence with two significant figures.

    >>> nats(0.004567), nats(12.3), nats(float("inf")), nats(0.0)
    ('0.0046', '12', '∞', '0')
    """
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"


def interval(low: float | None, high: float | None) -> str:
    """Write an interval, or nothing where there is none."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    return f"[{share(low)}, {share(high)}]"


def count(number: int, one: str, many: str = "") -> str:
    """Write how many there are of something.

    >>> count(1, "member"), count(1200, "member")
    ('1 member', '1,200 members')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def span(values: list[int]) -> str:
    """Write a whole number, or the range where it is not the same everywhere."""
    if not values:
        return NOTHING
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def describe_length(symbols: int | None) -> str:
    """Say how long prompts are, after their number; nothing where that is unknown.

    >>> describe_length(8), describe_length(None)
    (' of 8 symbols', '')
    """
    return "" if symbols is None else f" of {count(symbols, 'symbol')}"
