"""The tables, as Markdown: speed, memory, processor time, and the goals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.report.figures import Figure
from benchmarks.report.goals import Goal
from benchmarks.report.results import Contender

HANGTAG = (Contender.WARM, Contender.COLD, Contender.FP32)
ROLES = ("producer", "worker parent", "worker child", "supervisor", "Redis server")
LEGEND = (
    "Images/s, medians of the runs, of which Ray Data and plain Celery have one: `work` without a\n"
    "command's own start, `whole` with it, `steady` between the first and the last result; `x` is\n"
    "the ratio to the bare loop with the same images within a repeat."
)
_NONE = "-"


def report(figures: Sequence[Figure], goals: Sequence[Goal], notes: Sequence[str]) -> str:
    """The whole report."""
    parts = [
        LEGEND,
        speed(figures),
        memory(figures),
        processor(figures),
        "\n".join(map(str, goals)),
        "\n".join(notes),
    ]
    return "\n\n".join(part for part in parts if part)


def speed(figures: Sequence[Figure]) -> str:
    """A line for each contender, network and number of images."""
    head = (
        *("network", "contender", "images", "work (x)", "whole (x)", "steady"),
        "first result, s",
    )
    return markdown(head, grouped(map(_speed, figures)))


def _speed(one: Figure) -> list[str]:
    return [
        *(one.network, one.contender, f"{one.images:,}"),
        f"{one.work:,.0f}{number(one.work_x, ' ({:.2f})', '')}",
        f"{one.whole:,.0f}{number(one.whole_x, ' ({:.2f})', '')}",
        number(one.steady, "{:,.0f}"),
        f"{one.first_s:.2f}",
    ]


def memory(figures: Sequence[Figure]) -> str:
    """The largest process of each role, the sum of all, and the server's figure, in MB."""
    head = (
        *("peak memory, MB", "network", "images", *ROLES),
        *("own", "all", "used_memory_peak"),
    )
    return markdown(head, map(_memory, figures))


def _memory(one: Figure) -> list[str]:
    own = [peak for role, peak in one.peaks_mb.items() if role not in ROLES]
    return [
        *(one.contender, one.network, f"{one.images:,}"),
        *(number(one.peaks_mb.get(role), "{:.0f}") for role in ROLES),
        *(number(max(own, default=None), "{:.0f}"), f"{one.together_mb:.0f}"),
        number(one.redis_mb, "{:.1f}"),
    ]


def processor(figures: Sequence[Figure]) -> str:
    """The processor time of each role, in microseconds per image."""
    head = ("processor time, us per image", "network", "images", *ROLES, "all")
    shown = [figure for figure in figures if figure.contender in (*HANGTAG, Contender.BARE)]
    return markdown(head, map(_processor, shown))


def _processor(one: Figure) -> list[str]:
    return [
        *(one.contender, one.network, f"{one.images:,}"),
        *(number(one.cpu_us.get(role), "{:.1f}") for role in ROLES),
        f"{math.fsum(one.cpu_us.values()):.1f}",
    ]


def goal_table(goals: Sequence[Goal]) -> str:
    """The table of goals for RESULTS.md."""
    return markdown(("goal", "figure", ""), map(_goal, goals))


def _goal(goal: Goal) -> list[str]:
    value = number(goal.value, "{:.4g}")
    sign = "<=" if goal.at_most else ">="
    verdict = {True: "pass", False: "**falls short**", None: "not measured"}[goal.reached]
    return [goal.what, f"{value}{goal.unit} {sign} {goal.limit:g}{goal.unit}", verdict]


def number(value: float | None, form: str, none: str = _NONE) -> str:
    return none if value is None else form.format(value)


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
