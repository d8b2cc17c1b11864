"""The tables, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.report.figures import ROLES, Figure

LEGEND = (
    "Images/s, medians of the runs, of which Ray Data and plain Celery have one: `work` without a\n"
    "command's own start, `whole` with it; `x`: the ratio to the bare loop with the same images\n"
    "within a repeat. MB of all processes at one moment; us: processor time for an image."
)


def speed(figures: Sequence[Figure]) -> str:
    """A line for each contender, network and number of images."""
    head = (
        *("network", "contender", "images", "work (x)", "whole (x)", "MB"),
        *(f"us of the {role}" for role in ROLES),
    )
    return markdown(head, grouped(map(_speed, figures)))


def _speed(one: Figure) -> list[str]:
    return [
        *(one.network, one.contender, f"{one.images:,}"),
        f"{one.work:,.0f}{number(one.work_x, ' ({:.2f})')}",
        f"{one.whole:,.0f}{number(one.whole_x, ' ({:.2f})')}",
        f"{one.together_mb:,.0f}",
        *(number(one.cpu_us.get(role), "{:.0f}") for role in ROLES),
    ]


def number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def grouped(rows: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
    """The rows, without a first cell that repeats that of the row before."""
    before = ""
    for first, *others in rows:
        yield ["" if first == before else first, *others]
        before = first


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with aligned columns; empty without rows."""
    lines = [list(head), *map(list, rows)]
    if len(lines) == 1:
        return ""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    heads, *others = (
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([heads, rule, *others])
