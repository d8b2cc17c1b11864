"""The figures of pages: a histogram of confidences as the coordinates of an SVG drawing, and a
confusion matrix of the labels with the most rows, and of the pairs that are confused most.

The histogram's scale is logarithmic, since nearly all confidences of a good model are close to 1
and the few others are the ones to look at.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from producer.pages import text
from producer.pages.shots import Shot
from producer.present.formatting import percent

Item = TypeVar("Item")
#: In pixels; the margins at the sides are in the style sheet.
HEIGHT, TOP, BOTTOM = 240, 8, 42
#: Each threshold has a line of text above the bars: they are close to one another. The highest is
#: on top, so that no line of another one crosses its text.
_LINE = 12
#: A larger table is not legible.
MAX_LABELS = 40
MAX_PAIRS = 40
#: Shades of a cell, by the share of its row; the style sheet has a class for each.
SHADES = 9


class Smallest(Generic[Item]):
    """The `size` things with the smallest keys among those that were added; of equal keys those
    with the smallest numbers."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, int, Item]] = []  #: its first entry has the largest key
        #: A thing with this key, or a larger one, is not among them: at first any thing is.
        self.bound = math.inf if size else -math.inf

    def add(self, key: float, number: int, item: Item) -> None:
        """Add a thing, unless its key is too large. No other one has its number."""
        if key > self.bound:
            return
        entry = (-key, -number, item)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)
        if len(self._heap) == self._size:
            self.bound = -self._heap[0][0]

    @property
    def items(self) -> list[Item]:
        """The one with the smallest key first."""
        return [item for *_, item in sorted(self._heap, key=lambda one: one[:2], reverse=True)]


class Bar(NamedTuple):
    """Across in percent of the width, upright in pixels, as all of the drawing."""

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
    height: int = HEIGHT
    bottom: int = HEIGHT - BOTTOM


def histogram(
    counts: Sequence[int], wrong: Sequence[int], thresholds: Sequence[tuple[float, str]]
) -> Histogram:
    """A drawing of `counts` and `wrong` by confidence, in equal bins from 0 to 1."""
    scale = _Scale(max([*counts, 1]), TOP + _LINE * len(thresholds))
    marks = [
        Mark(_round(100 * at), label, TOP + _LINE * (line + 0.5))
        for line, (at, label) in enumerate(sorted(thresholds, reverse=True))
    ]
    return Histogram(
        _bars(counts, scale),
        _bars(wrong, scale),
        [Mark(scale.y(10**n), f"{10**n:,}") for n in range(scale.decades + 1)],
        [Mark(20 * n, f"{20 * n}%") for n in range(6)],
        marks,
        _summary(counts, wrong),
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


def _bars(values: Sequence[int], scale: _Scale) -> list[Bar]:
    room = 100 / len(values)
    bars = []
    for i, value in enumerate(values):
        if value:
            y = scale.y(value)
            low, high = (percent(n / len(values), 0) for n in (i, i + 1))
            title, height = f"{low} to {high}: {value:,}", _round(HEIGHT - BOTTOM - y)
            bars.append(Bar(_round(i * room), y, _round(0.88 * room), height, title))
    return bars


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


class Cell(NamedTuple):
    truth: int
    label: int
    rows: int
    share: float  #: of the rows with this true label
    shade: int  #: 0 (none) to SHADES
    pictures: int  #: how many can be opened


class MatrixLine(NamedTuple):
    """One true label."""

    truth: int
    label: str
    rows: int
    cells: list[Cell]


class Matrix(NamedTuple):
    labels: list[str]  #: of the columns
    lines: list[MatrixLine]
    left_out: int  #: labels that are not displayed
    pairs: list[Cell]  #: the most frequent confusions, of all labels
    names: list[str]  #: of all labels


def matrix(
    labels: Sequence[str],
    rows: Callable[[int, int], int],
    shots: Iterable[Shot],
    used: Sequence[int],
) -> Matrix:
    """`rows(true, predicted)` counts; `shots` are the images that can be opened; `used` are the
    labels to show, the most important first, of which MAX_LABELS are displayed."""
    pictures = Counter(shot.cell for shot in shots)
    totals = {truth: sum(rows(truth, label) for label in range(len(labels))) for truth in used}
    shown = sorted(used[:MAX_LABELS])
    names = [text.label(label) for label in labels]

    def cell(truth: int, label: int) -> Cell:
        count = rows(truth, label)
        share = count / totals[truth] if totals[truth] else 0.0
        # The square root: 1 % of a row can be told from none.
        shade = min(SHADES, max(1, round(SHADES * share**0.5))) if count else 0
        return Cell(truth, label, count, share, shade, pictures[truth, label])

    lines = [
        MatrixLine(truth, names[truth], totals[truth], [cell(truth, label) for label in shown])
        for truth in shown
    ]
    confused = (
        (rows(truth, label), -truth, -label)
        for truth in used
        for label in range(len(labels))
        if truth != label and rows(truth, label)
    )
    pairs = [cell(-t, -p) for _, t, p in heapq.nlargest(MAX_PAIRS, confused)]
    return Matrix([names[i] for i in shown], lines, len(used) - len(shown), pairs, names)
