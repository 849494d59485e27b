"""What the page says of starts that are one function: what training makes of each."""

from collections.abc import Sequence

from identjax.report.block import Block, block
from identjax.report.format import NOTHING, count, nats, share
from identjax.report.table import Column, Row, Table, number, text, whole
from identjax.report.view import View
from identjax.schema import schema_of
from identjax.studies.fine_tuning.figures import draw_curves, draw_losses, draw_rates
from identjax.studies.fine_tuning.measure import COLUMNS, is_control, place_of

SCHEMAS = {name: schema_of(sweep=str, language=str, **columns) for name, columns in COLUMNS.items()}


@block("fine_tuning", SCHEMAS["fine_tuning"], place=10)
def show_changes(view: View) -> Block | None:
    """Say what was found at the chosen learning rate, a sentence for each optimizer."""
    rows, members = _read(view, "fine_tuning"), _read(view, "fine_tuning_members")
    if not rows:
        return None
    rates = _read(view, "fine_tuning_rates")
    return Block(
        title="One function, several parameters",
        sentences=tuple(_say(name, rows, rates, members) for name in _optimizers(rows)),
        figures=(draw_losses(view, members), draw_rates(view, rows)),
        beside=2,
        tables=(_tabulate(rows),),
    )


@block("fine_tuning_curves", SCHEMAS["fine_tuning_curves"], place=11)
def show_curves(view: View) -> Block | None:
    """Draw the way of each optimizer."""
    rows, curves = _read(view, "fine_tuning"), _read(view, "fine_tuning_curves")
    if not rows:
        return None
    figures = tuple(draw_curves(view, rows, curves, name) for name in _optimizers(rows))
    return Block(figures=figures, beside=2, rows=tuple(curves))


@block("fine_tuning_rates", SCHEMAS["fine_tuning_rates"], place=12)
def show_rates(view: View) -> Block | None:
    """Lay every learning rate that was tried under each other."""
    rows = _read(view, "fine_tuning_rates")
    if not rows:
        return None
    columns = (
        text("starts", "role"),
        *_ENDS,
        Column("steady", lambda row: {True: "yes", False: "no"}.get(row["steady"], NOTHING), False),
        Column("chosen", lambda row: "yes" if row["chosen"] else "", False),
    )
    caption = (
        "Steady: permutations move the loss at no check by more than a thousandth, on the starts "
        "that choose the rate."
    )
    table = Table(tuple(rows), columns, caption, _name_rate, folded="Every learning rate")
    return Block(tables=(table,))


def _read(view: View, name: str) -> list[Row]:
    """Give the rows of a table in order, with the columns of its CSV."""
    rows = sorted(view[name].to_pylist(), key=place_of)
    return [view.about | {column: row[column] for column in COLUMNS[name]} for row in rows]


def _optimizers(rows: Sequence[Row]) -> list[str]:
    return sorted({row["optimizer"] for row in rows})


def _tabulate(rows: Sequence[Row]) -> Table:
    """Lay the changes under each other."""
    caption = (
        "Loss: of the population, in nats per sequence, KL to the truth and entropy, after the "
        "same steps; mean over members that did not diverge. Over unchanged: to the loss from "
        "the same start with its parameters as they were, geometric mean, with the least and the "
        "largest of members. Rule: its rate in and out of distribution. Start: how far the "
        "changed start is from the unchanged one, the largest KL in nats and difference of "
        "logits, on strings of the language and on strings of uniform symbols. The learning rate "
        "is the best one of unchanged starts of other seeds, of those at which permutations there "
        "move the loss at no check by more than a thousandth, if there are any."
    )
    columns = (
        *_ENDS,
        Column("rule in", lambda row: share(row["rate_id"])),
        Column("out", lambda row: share(row["rate_ood"])),
        number("start: KL", "start_kl_nats", _tiny),
        number("logits", "start_logits", _tiny),
    )

    def head(row: Row) -> str:
        return f"{_name_rate(row)}, {count(row['starts'], 'start')}"

    return Table(tuple(rows), columns, caption, head)


def _name_rate(row: Row) -> str:
    return f"{row['optimizer']}, learning rate {row['learning_rate']:g}"


def _say(optimizer: str, rows: Sequence[Row], rates: Sequence[Row], members: Sequence[Row]) -> str:
    """Say what an optimizer makes of changes and of controls."""
    own = [row for row in members if row["optimizer"] == optimizer]
    starts = count(len({row["start_digest"] for row in own}), "start")
    selected_on = own[0]["selected_on"]
    whose = f"on {count(selected_on, 'other start')}" if selected_on else "here"
    rate, after = f"learning rate {own[0]['learning_rate']:g}", count(own[0]["step"], "step")
    lines = (
        f"{optimizer}, {starts}, at {rate} (the best at α = 1 {whose}"
        f"{_say_steady([row for row in rates if row['optimizer'] == optimizer])}): "
        f"the loss after {after} is"
    )
    ratios = [
        (row["ratio"], f"{_figures(row['ratio'])} ({row['change']} by {row['alpha']:g})")
        for row in rows
        if row["optimizer"] == optimizer and row["alpha"] != 1 and row["ratio"] is not None
    ]
    if ratios:
        lines += f" {min(ratios)[1]} to {max(ratios)[1]} times the unchanged, as geometric means"
    else:
        lines += " not to be had at any other α"
    controls = [row["ratio"] for row in own if is_control(row) and row["ratio"] is not None]
    if controls:
        moved = max(abs(ratio - 1) for ratio in controls)
        lines += f"; permutations change it by a share of at most {_tiny(moved)}"
    diverged = sum(row["diverged"] for row in own)
    return f"{lines}; {diverged:,} of {count(len(own), 'member')} diverged."


def _say_steady(rates: Sequence[Row]) -> str:
    steady = {row["learning_rate"]: bool(row["steady"]) for row in rates}
    if all(steady.values()):
        return ""
    if not any(steady.values()):
        return ", though permutations move the loss there at every rate"
    several = f"{sum(steady.values())} of {count(len(steady), 'rate')}"
    return f", of the {several} at which permutations do not move the loss there"


def _say_ratio(row: Row) -> str:
    if row["ratio"] is None:
        return NOTHING
    if abs(row["ratio_low"] - 1) < 1e-3 and abs(row["ratio_high"] - 1) < 1e-3:
        most = max(abs(row["ratio_low"] - 1), abs(row["ratio_high"] - 1))
        return "1" if most == 0 else f"1 ± {_tiny(most)}"
    low, high = _figures(row["ratio_low"]), _figures(row["ratio_high"])
    return f"{_figures(row['ratio'])} [{low}, {high}]"


def _figures(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3g}"


def _tiny(value: float | None) -> str:
    if value is None or value == 0 or abs(value) >= 0.01:
        return nats(value)
    return f"{value:.1e}"


_ENDS = (
    text("change", "change"),
    number("α", "alpha", lambda alpha: f"{alpha:g}"),
    whole("members", "members"),
    whole("diverged", "diverged"),
    number("KL to the truth", "kl_nats", _figures),
    number("loss", "loss", _figures),
    Column("loss over unchanged", _say_ratio),
)
