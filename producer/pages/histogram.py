"""A histogram of confidences as the coordinates of an SVG drawing.

Its heights are logarithms, since nearly all confidences of a good model are close to 1 and the few
others are the ones to look at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from producer.pages import text

WIDTH, HEIGHT = 720, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 26, 30, 42  #: margins
_GAP = 1.5


class Bar(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    title: str


class Mark(NamedTuple):
    """A line with a text: a tick, or a threshold."""

    at: float
    text: str


class Histogram(NamedTuple):
    bars: list[Bar]  #: all rows
    wrong: list[Bar]  #: rows whose folder states another label
    heights: list[Mark]
    confidences: list[Mark]
    thresholds: list[Mark]
    summary: str  #: the drawing in words
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def histogram(
    counts: Sequence[int], wrong: Sequence[int], thresholds: Sequence[tuple[float, str]]
) -> Histogram:
    """`counts` and `wrong` by confidence, in equal bins from 0 to 1."""
    most = max([*counts, 1])
    decades = max(1, math.ceil(math.log10(most + 1)))

    def bars(values: Sequence[int]) -> list[Bar]:
        width = (WIDTH - LEFT - RIGHT) / len(values)
        found = []
        for i, value in enumerate(values):
            if value:
                y = _y(value, decades)
                low, high = (n / len(values) for n in (i, i + 1))
                title = f"{text.percent(low, 0)} to {text.percent(high, 0)}: {value:,}"
                found.append(
                    Bar(_round(LEFT + i * width), y, width - _GAP, HEIGHT - BOTTOM - y, title)
                )
        return found

    return Histogram(
        bars(counts),
        bars(wrong),
        [Mark(_y(10**n, decades), f"{10**n:,}") for n in range(decades + 1)],
        [Mark(_x(n / 5), f"{20 * n}%") for n in range(6)],
        [Mark(_x(at), label) for at, label in thresholds],
        _summary(counts, wrong),
    )


def _x(confidence: float) -> float:
    return _round(LEFT + confidence * (WIDTH - LEFT - RIGHT))


def _y(count: int, decades: int) -> float:
    share = min(1.0, math.log10(count + 1) / decades) if count else 0.0
    return _round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM))


def _round(value: float) -> float:
    return round(value, 2)


def _summary(counts: Sequence[int], wrong: Sequence[int]) -> str:
    total = sum(counts)
    if not total:
        return "No image has a label."
    parts = [
        f"{text.percent(sum(counts[round(low * len(counts)) :]) / total)} have a confidence of "
        f"{low:.0%} or more"
        for low in (0.9, 0.5)
    ]
    judged = f"; {sum(wrong):,} differ from their folders" if any(wrong) else ""
    return f"Of {total:,} images {', '.join(parts)}{judged}."
