"""A histogram of confidences as the coordinates of an SVG drawing.

Its scale is logarithmic, since nearly all confidences of a good model are close to 1 and the few
others are the ones to look at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from producer.present.formatting import percent

#: The drawings for wide and for narrow screens, whose texts have the same size.
WIDTHS = (720, 340)
HEIGHT = 240
LEFT, RIGHT, TOP, BOTTOM = 56, 26, 8, 42  #: margins
#: Each threshold has a line of text above the bars: they are close to one another. The highest is
#: on top, so that no line of another one crosses its text.
_LINE = 12


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
    text_at: float = 0.0  #: the height of a threshold's text


class Histogram(NamedTuple):
    bars: list[Bar]  #: all rows
    wrong: list[Bar]  #: rows whose folder states another label
    heights: list[Mark]
    confidences: list[Mark]
    thresholds: list[Mark]
    summary: str  #: the drawing in words
    width: int
    top: int
    height: int = HEIGHT
    left: int = LEFT
    bottom: int = HEIGHT - BOTTOM

    @property
    def right(self) -> int:
        return self.width - RIGHT


def histograms(
    counts: Sequence[int], wrong: Sequence[int], thresholds: Sequence[tuple[float, str]]
) -> list[Histogram]:
    """A drawing for each of WIDTHS; `counts` and `wrong` by confidence, in equal bins from 0 to
    1."""
    scale = _Scale(max([*counts, 1]), TOP + _LINE * len(thresholds))
    return [_histogram(counts, wrong, thresholds, width, scale) for width in WIDTHS]


def _histogram(
    counts: Sequence[int],
    wrong: Sequence[int],
    thresholds: Sequence[tuple[float, str]],
    width: int,
    scale: _Scale,
) -> Histogram:
    marks = [
        Mark(_x(at, width), label, TOP + _LINE * (line + 0.5))
        for line, (at, label) in enumerate(sorted(thresholds, reverse=True))
    ]
    return Histogram(
        _bars(counts, width, scale),
        _bars(wrong, width, scale),
        [Mark(scale.y(10**n), f"{10**n:,}") for n in range(scale.decades + 1)],
        [Mark(_x(n / 5, width), f"{20 * n}%") for n in range(6)],
        marks,
        _summary(counts, wrong),
        width,
        scale.top,
    )


class _Scale(NamedTuple):
    """The heights of a drawing whose highest bar has `most` images."""

    most: int
    top: int

    @property
    def decades(self) -> int:
        return max(1, math.ceil(math.log10(self.most + 1)))

    def y(self, count: int) -> float:
        share = min(1.0, math.log10(count + 1) / self.decades) if count else 0.0
        return _round(HEIGHT - BOTTOM - share * (HEIGHT - self.top - BOTTOM))


def _bars(values: Sequence[int], width: int, scale: _Scale) -> list[Bar]:
    room = (width - LEFT - RIGHT) / len(values)
    bars = []
    for i, value in enumerate(values):
        if value:
            y = scale.y(value)
            low, high = (percent(n / len(values), 0) for n in (i, i + 1))
            title = f"{low} to {high}: {value:,}"
            x, height = _round(LEFT + i * room), _round(HEIGHT - BOTTOM - y)
            bars.append(Bar(x, y, _round(0.88 * room), height, title))
    return bars


def _x(confidence: float, width: int) -> float:
    return _round(LEFT + confidence * (width - LEFT - RIGHT))


def _round(value: float) -> float:
    return round(value, 2)


def _summary(counts: Sequence[int], wrong: Sequence[int]) -> str:
    total = sum(counts)
    if not total:
        return "No image has a label."
    parts = [
        f"{percent(sum(counts[round(low * len(counts)) :]) / total)} have a confidence of "
        f"{low:.0%} or more"
        for low in (0.9, 0.5)
    ]
    judged = f"; {sum(wrong):,} differ from their folders" if any(wrong) else ""
    return f"Of {total:,} images {', '.join(parts)}{judged}."
