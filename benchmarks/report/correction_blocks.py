"""The blocks of RESULTS.md with the figures of the benchmark of corrections."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from benchmarks.report.tables import markdown

CORRECTED, WRONG = 100, 100
#: Of the list of likely wrong labels, as a share of the photos: what a person looks through.
LOOKED_THROUGH = 0.1


class Loop(NamedTuple):
    """One draw: accuracies before, and after corrections that were chosen in two ways."""

    before: float
    doubtful: float
    random: float
    doubtful_wrong: int  #: of the corrected rows
    random_wrong: int


class Planted(NamedTuple):
    """One draw of wrong labels."""

    first: int  #: planted ones in the first tenth of the list
    corrected: int  #: planted ones that a person corrected, looking at as many rows of the page
    before: float
    after: float
    clean: float  #: without a wrong label


def loop_block(found: Sequence[Loop]) -> str:
    """The table of the loop, and what it shows."""
    rows: list[Sequence[str]] = [
        (
            str(draw), _percent(one.before), _percent(one.doubtful), _percent(one.random),
            str(one.doubtful_wrong), str(one.random_wrong),
        )
        for draw, one in enumerate(found, 1)
    ]  # fmt: skip
    rows.append(("mean", *map(_mean, _columns(found)[:3]), *map(_plain, _columns(found)[3:])))
    head = (
        "draw", "before", f"{CORRECTED} most doubtful", f"{CORRECTED} by chance",
        "wrong of the doubtful", "wrong of those by chance",
    )  # fmt: skip
    better = sum(one.doubtful > one.random for one in found)
    gains = [one.doubtful - one.before for one in found], [one.random - one.before for one in found]
    words = (
        f"The most doubtful gain {_points(gains[0])}, those by chance {_points(gains[1])}; the "
        f"most doubtful are better in {better} of {len(found)} draws."
    )
    return f"{markdown(head, rows)}\n\n{words}"


def planted_block(found: Sequence[Planted]) -> str:
    """The table of the planted labels."""
    head = (
        "draw", f"of {WRONG} planted, in the first {LOOKED_THROUGH:.0%} of the list",
        "corrected", "accuracy before", "after", "without wrong labels",
    )  # fmt: skip
    rows: list[Sequence[str]] = [
        (str(draw), str(one.first), str(one.corrected), *map(_percent, one[2:]))
        for draw, one in enumerate(found, 1)
    ]
    columns = _columns(found)
    if len(found) > 1:
        rows.append(("mean", *map(_plain, columns[:2]), *map(_mean, columns[2:])))
    return markdown(head, rows)


def _columns(found: Sequence[NamedTuple]) -> list[list[float]]:
    return [list(map(float, column)) for column in zip(*found, strict=True)]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _mean(values: Sequence[float]) -> str:
    spread = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * fmean(values):.1f}{spread} %"


def _plain(values: Sequence[float]) -> str:
    return f"{fmean(values):.1f}"


def _points(gains: Sequence[float]) -> str:
    return (
        f"{100 * fmean(gains):.1f} points (from {100 * min(gains):.1f} to {100 * max(gains):.1f})"
    )
