"""The tables, as Markdown: speed, memory, processor time, and the goals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.report.goals import MB, goals
from benchmarks.report.results import Contender, Measured, Results, Value, middle, whole, work

HANGTAG = (Contender.WARM, Contender.COLD)
ROLES = ("producer", "worker parent", "worker child", "supervisor", "Redis server")
_NONE = "-"


def report(results: Results, notes: Sequence[str]) -> str:
    """The whole report."""
    parts = [
        "Medians; `x` is the ratio to the bare loop within a repeat. `work` excludes a command's "
        "own start\n(interpreter, imports, model), `whole` is from before its start to its end; "
        "`steady` is between the\nfirst and the last result.",
        speed(results),
        memory(results),
        processor(results),
        "\n".join(str(goal) for goal in goals(results)),
        "\n".join(notes),
    ]
    return "\n\n".join(part for part in parts if part)


def speed(results: Results) -> str:
    """A line for each contender and network."""
    head = (
        *("network", "contender", "images", "work, images/s", "x", "whole, images/s", "x"),
        *("steady, images/s", "first result, s", "whole, s"),
    )
    return markdown(head, (_speed(results, *pair) for pair in results.pairs()))


def _speed(results: Results, network: str, contender: Contender) -> list[str]:
    def cell(value: Value, form: str) -> str:
        return number(results.median(contender, network, value), form)

    def beside(rate: Value) -> str:
        return number(results.ratio(network, (contender, rate), (Contender.BARE, rate)), "{:.2f}")

    runs = results.of(contender, network)
    steady = middle(run.steady for run in runs if run.steady)
    return [
        *(network, contender, f"{runs[0].images:,}"),
        *(cell(work, "{:,.0f}"), beside(work), cell(whole, "{:,.0f}"), beside(whole)),
        number(steady, "{:,.0f}"),
        *(cell(lambda run: run.first_s, "{:.2f}"), cell(lambda run: run.whole_s, "{:.2f}")),
    ]


def memory(results: Results) -> str:
    """The largest process of each role, the sum of all, and the server's figure, in MB."""
    head = ("peak memory, MB", "network", *ROLES, "the contender's own", "all", "used_memory_peak")
    return markdown(head, (_memory(results, *pair) for pair in results.pairs()))


def _memory(results: Results, network: str, contender: Contender) -> list[str]:
    runs = results.of(contender, network)

    def largest(role: str) -> float | None:
        return max((run.peaks[role] / MB for run in runs if role in run.peaks), default=None)

    own = [peak / MB for run in runs for role, peak in run.peaks.items() if role not in ROLES]
    redis = [run.redis_peak / MB for run in runs if run.redis_peak]
    return [
        *(contender, network, *(number(largest(role), "{:.0f}") for role in ROLES)),
        number(max(own, default=None), "{:.0f}"),
        f"{max(run.together for run in runs) / MB:.0f}",
        number(max(redis, default=None), "{:.1f}"),
    ]


def processor(results: Results) -> str:
    """The processor time of each role, in microseconds per image."""
    head = ("processor time, us per image", "network", *ROLES, "all")
    pairs = [pair for pair in results.pairs() if pair[1] in (*HANGTAG, Contender.BARE)]
    return markdown(head, (_processor(results.of(c, network)) for network, c in pairs))


def _processor(runs: Sequence[Measured]) -> list[str]:
    def each(roles: Iterable[str]) -> float | None:
        return middle(1e6 * sum(r.cpu_s.get(role, 0) for role in roles) / r.images for r in runs)

    everything = {role for run in runs for role in run.cpu_s}
    cells = [number(each([role]), "{:.1f}") if role in everything else _NONE for role in ROLES]
    return [runs[0].contender, runs[0].network, *cells, number(each(everything), "{:.1f}")]


def number(value: float | None, form: str) -> str:
    return _NONE if value is None else form.format(value)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with aligned columns; empty without rows."""
    lines = [list(head), *map(list, rows)]
    if len(lines) == 1:
        return ""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
