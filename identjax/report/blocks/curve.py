"""How far behaviour parts among members as they near the truth, on the support and off it."""

from collections.abc import Sequence

import pyarrow as pa
from matplotlib.axes import Axes

from identjax.evaluation.measures.curve import (
    ALL,
    BETWEEN,
    FACTOR,
    FOLLOWED,
    MATCHED,
    PRESENT,
    TABLES,
    WITHIN,
)
from identjax.query import where
from identjax.report import style
from identjax.report.block import Block, Drawing, block
from identjax.report.format import count, interval, nats, span
from identjax.report.table import Column, Row, Table, number, text
from identjax.report.view import View
from identjax.rungs import order
from identjax.schema import TRUTH, schema_of

MEASURES = {
    "tv_next": "TV of the next-token law",
    "js_next": "JS of the next-token law, nats",
    "churn": "churn of greedy completions",
    "kl_next": "KL of the next-token law, nats",
    "profile": "difference of rule rates",
    "kl_seq": "KL, nats per sequence",
    "js_seq": "JS, nats per sequence",
}
_SPLITS = {"id": "in distribution", "ood": "out of distribution"}
_SCOPES = {WITHIN: "within a cell", BETWEEN: "between cells"}
# Other colours than those of cells.
_LOOKS = [style.Look(style.COLOURS[k], style.MARKERS[k], "-") for k in (2, 3)]
# Each figure, by name, has one measure on each split.
_FIGURES = {"js": {"id": "js_seq", "ood": "js_next"}, "churn": dict.fromkeys(_SPLITS, "churn")}


def _columns(name: str) -> pa.Schema:
    """Give the columns of a table of the measure as its CSV has them."""
    own = [field for field in TABLES[name] if field.name not in TRUTH]
    return pa.schema([*schema_of(sweep=str, language=str), *own])


def _rows(view: View, name: str) -> tuple[Row, ...]:
    kept = view[name].drop_columns(list(TRUTH))
    return tuple(view.about | row for row in kept.to_pylist())


@block("curve", _columns("curve"), place=200)
def show(view: View) -> Block:
    """Draw the divergences against the KL of the pairs, and list them beside who is behind them."""
    rows = tuple(sorted(_rows(view, "curve"), key=lambda row: order(row["rung"])))
    followed = [row for row in rows if row["who"] == FOLLOWED and row["value"] is not None]
    figures = tuple(
        _draw(view, [row for row in followed if measures.get(row["split"]) == row["measure"]], name)
        for name, measures in _FIGURES.items()
        if any(measures.get(row["split"]) == row["measure"] for row in followed)
    )
    if not figures:
        why = "No two members were compared at the same ε, so that nothing is said of ε here."
        return Block("What the loss leaves open as ε shrinks", (why,), rows=rows)
    sentences = (*_say_slopes(view), *_say_missing(view))
    tables = tuple(filter(None, [_tabulate(rows), _tabulate_reached(view)]))
    title = "What the loss leaves open as ε shrinks"
    return Block(title, sentences, figures, 1, tables, rows)


@block("slopes", _columns("slopes"), place=201)
def list_slopes(view: View) -> Block:
    """Keep the fitted slopes, which the curve says in words."""
    return Block(rows=_rows(view, "slopes"))


@block("reached", _columns("reached"), place=202)
def list_reached(view: View) -> Block:
    """Keep who reached each ε, which the curve lists."""
    return Block(rows=_rows(view, "reached"))


def _say_slopes(view: View) -> tuple[str, ...]:
    """Say how fast members come together, off the support first."""
    found = {(r["split"], r["measure"], r["scope"]): r for r in _rows(view, "slopes")}
    off = [found.get(("ood", "js_next", scope)) for scope in (ALL, *_SCOPES)]
    known = [row for row in off if row is not None]
    if not known:
        return ()
    ways = {ALL: "over all pairs", WITHIN: "within cells", BETWEEN: "between cells"}
    told = [
        f"{_slope(row)} {ways[row['scope']]}"
        for row in known
        if len(known) > 2 or row["scope"] == ALL
    ]
    on = found.get(("id", "js_seq", ALL))
    beside = f" In distribution it is {_slope(on)}: there the loss itself holds it." if on else ""
    rungs = known[0]["rungs"].split()
    return (
        f"Slope of divergence (of log JS on log KL, from ε = {rungs[0]} to {rungs[-1]}, "
        f"n = {count(known[0]['members'], 'member')}): out of distribution {', '.join(told)}."
        f"{beside} At 1 members come together as fast as they near the truth, at 0 they do not "
        "come together, below 0 they part.",
    )


def _slope(row: Row) -> str:
    said = f"{row['slope']:.2f} {interval(row['low'], row['high'])}".strip()
    return said.replace("-", "−")


def _say_missing(view: View) -> tuple[str, ...]:
    """Say who is not followed, and why."""
    rows = _rows(view, "reached")
    curve = [row["rung"] for row in rows if row["followed"]]
    if not curve:
        return ()
    last = min(curve, key=float)
    here = [row for row in rows if row["rung"] == last]
    left = [
        f"{row['members'] - row['followed']} of {row['members']} {row['cell']}"
        for row in here
        if row["followed"] < row["members"]
    ]
    if not left:
        return (f"All members reached ε = {last}, and all are followed.",)
    return (
        f"Followed are the same members at every ε, down to {last}. Not followed: "
        f"{', '.join(left)}, which did not reach it or were not compared there; the table has the "
        "values with them.",
    )


def _draw(view: View, rows: Sequence[Row], name: str) -> Drawing:
    """Draw one measure against the KL of the pairs: on the support, and off it."""
    figure = style.new_figure(6.4, 3.1)
    panels = dict(zip(_SPLITS, figure.subplots(1, 2, sharex=True), strict=True))
    looks = dict(zip(_SCOPES, _LOOKS, strict=True))
    for split, axes in panels.items():
        own = [row for row in rows if row["split"] == split]
        for scope, look in looks.items():
            _draw_line(axes, [row for row in own if row["scope"] == scope], look)
        style.make_log(axes, "x")
        axes.set_title(_SPLITS[split])
        axes.set_ylabel(MEASURES[_FIGURES[name][split]])
        if name == "churn":
            axes.set_ylim(-0.03, 1.03)
            continue
        whole = sorted({(float(row["rung"]), row["ceiling"]) for row in own})
        axes.plot(*zip(*whole, strict=True), color=style.INK, lw=1, ls=style.DASHES[3])
        if any(row["value"] > 0 for row in own):
            style.make_log(axes, "y")
    panels["id"].invert_xaxis()
    figure.supxlabel("KL to the truth, nats per sequence (nearer →)", fontsize=10)
    shown = {row["scope"] for row in rows}
    style.write_legend(
        figure,
        {
            label: {"color": looks[scope].colour, "marker": looks[scope].marker, "lw": 2, "ms": 5}
            for scope, label in _SCOPES.items()
            if scope in shown
        },
    )
    title = f"{view.language}: how far members are apart as they near the truth ({name})"
    caption = _caption(rows, name) + (_say_prompts(view) if name == "churn" else "")
    return style.finish(figure, view.name("curve", name), title, caption)


def _draw_line(axes: Axes, rows: Sequence[Row], look: style.Look) -> None:
    if not rows:
        return
    x = [row["kl_nats"] for row in rows]
    value, low, high = ([row[name] for row in rows] for name in ("value", "low", "high"))
    axes.plot(x, value, color=look.colour, marker=look.marker, lw=2, ms=5)
    if None not in low:
        axes.fill_between(x, low, high, color=look.colour, alpha=0.16, lw=0)


def _caption(rows: Sequence[Row], name: str) -> str:
    pairs = {
        scope: [r["pairs"] for r in rows if r["scope"] == scope and r["split"] == "ood"]
        for scope in _SCOPES
    }
    told = ", ".join(f"{span(n)} pairs {_SCOPES[s]}" for s, n in pairs.items() if n)
    whole = [row["members"] for row in rows if row["scope"] == ALL]
    what = (
        "On the left along strings of the truth, in nats per sequence; on the right at the end of "
        "an impossible prompt, in nats. Dotted: the most that there can be, which the loss lowers "
        "on the left (2 ln 2 · ε) and not on the right (ln 2)."
        if name == "js"
        else "The share of prompts that the two members complete differently."
    )
    return (
        f"Mean over pairs of the same members at each ε (n = {span(whole)} members; {told}), at "
        f"the mean KL of these pairs. {what} Bands: 95% intervals over members, which assume "
        f"nothing but that most; none where a scope has fewer than 5 members."
    )


def _say_prompts(view: View) -> str:
    """Say of how many prompts, how long, a share is, and where a string is cut off."""
    at = {"rung": view.at, "member_id": view["members"]["member_id"][:1].to_pylist()}
    told = []
    for split, name in _SPLITS.items():
        asked = where(view["completions"], split=split, **at)["prompt"].to_pylist()
        if asked and view.truth is not None:
            longest = max(len(view.truth.vocabulary.encode(prompt)) for prompt in asked)
            told.append(f"{count(len(asked), 'prompt')} of length {longest} {name}")
    cap = max(view["members"]["max_length"].to_pylist())
    return f" {', '.join(told)}; a string is cut off at {cap} symbols." if told else ""


def _tabulate(rows: Sequence[Row]) -> Table | None:
    """Lay the values of the same members beside those of all, and of pairs of one KL."""
    own = [row for row in rows if row["split"] == "ood" and row["measure"] == "js_next"]
    parts: dict[tuple[str, str], Row] = {}
    for row in own:
        if row["scope"] in _SCOPES:
            place = parts.setdefault((row["rung"], row["scope"]), {"rung": row["rung"]})
            place["scope"] = _SCOPES[row["scope"]]
            place[row["who"]] = row
    found = tuple(parts.values())
    if not found:
        return None
    caption = (
        "Mean JS of the next-token law out of distribution, nats, with a 95% interval over members "
        "(n of them) and the number of pairs. “The same members” are at every ε of the figure, "
        f"“all” are those that reached this one, “of one KL” are pairs of these whose KLs to the "
        f"truth differ by a factor of at most {FACTOR}. "
    )
    columns = (
        Column("ε", lambda row: row["rung"]),
        text("pairs", "scope"),
        _value("the same members", FOLLOWED),
        _value("all", PRESENT),
        _value("of one KL", MATCHED),
    )
    return Table(
        found, columns, caption, folded="With and without those that were lost, and at equal KL"
    )


def _value(label: str, who: str) -> Column:
    def write(row: Row) -> str:
        own = row.get(who)
        if own is None:
            return ""
        ends = interval(own["low"], own["high"])
        return f"{nats(own['value'])} {ends} n = {own['members']}, {own['pairs']:,} pairs"

    return Column(label, write)


def _tabulate_reached(view: View) -> Table | None:
    rows = tuple(row for row in _rows(view, "reached") if row["reached"])
    if not rows:
        return None
    caption = (
        "KL to the truth of the members of each cell at each ε (nats per sequence): a snapshot is "
        "taken at the first check below ε, so that it may lie well below."
    )
    columns = (
        Column("ε", lambda row: row["rung"]),
        text("cell", "cell"),
        Column("reached", lambda row: f"{row['reached']} of {row['members']}"),
        Column("followed", lambda row: str(row["followed"])),
        *(number(f"{name} KL", f"kl_{name}", nats) for name in ("min", "median", "max")),
    )
    return Table(rows, columns, caption, folded="How near the truth the members of each ε are")
