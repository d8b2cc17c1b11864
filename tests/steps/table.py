"""The steps as a table on the terminal: step, result, seconds, tests, skipped."""

from __future__ import annotations

from collections.abc import Sequence

from tests.steps.step import Outcome

_HEAD = ("step", "result", "seconds", "tests", "failed", "skipped")


def formatted(outcomes: Sequence[Outcome]) -> str:
    """The table, notes, and the reasons of skips."""
    rows = [_HEAD, *(_row(outcome) for outcome in outcomes)]
    rows.append(
        ("all", "", f"{sum(outcome.seconds for outcome in outcomes):.0f}", *_sums(outcomes))
    )
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEAD))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    notes = [f"{outcome.name}: {outcome.note}" for outcome in outcomes if outcome.note]
    return "\n".join([*lines, *notes, *reasons(outcomes)])


def reasons(outcomes: Sequence[Outcome]) -> list[str]:
    """The reasons of skips, one line each."""
    return [
        f"skipped in {outcome.name}: {count} x {reason}"
        for outcome in outcomes
        for reason, count in outcome.counts.reasons
    ]


def _row(one: Outcome) -> tuple[str, ...]:
    counts = one.counts
    numbers = (counts.cases, counts.failed, counts.skipped)
    return (one.name, one.result, f"{one.seconds:.0f}", *(str(n) if n else "" for n in numbers))


def _sums(outcomes: Sequence[Outcome]) -> tuple[str, str, str]:
    all_counts = [outcome.counts for outcome in outcomes]
    return (
        str(sum(counts.cases for counts in all_counts)),
        str(sum(counts.failed for counts in all_counts)),
        str(sum(counts.skipped for counts in all_counts)),
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
    right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
    return left + right
