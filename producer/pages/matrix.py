"""A confusion matrix for a page: the labels with the most rows, and the pairs that are confused
most."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from producer.pages import text
from producer.pages.shots import Shot

#: A larger table is not legible.
MAX_LABELS = 40
MAX_PAIRS = 40
#: Shades of a cell, by the share of its row; the style sheet has a class for each.
SHADES = 9


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
