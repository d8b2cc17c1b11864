"""The confusion matrix: counts, with each row's shares as shades."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from worker.evaluation.metrics import Counts
from worker.plots.chart import add_axes, empty, fitting, png_chart

NAME_LENGTH, NAME_INCHES = 28, 3.5
#: With more classes the numbers would not be legible.
NUMBERED_CLASSES = 25
#: Width and height of one cell, and the minimum of all cells together.
CELL_INCHES, FEWER_CELL_INCHES, LEAST_INCHES = 0.6, 0.15, 4.0
#: Beside the cells: the width of the bar, its distance, and its share of their height.
BAR_INCHES, BAR_GAP_INCHES, BAR_SHARE = 0.18, 0.3, 0.6
#: Shades grow with the square root of a share, so that 1 % of a row is visible.
SHADES = PowerNorm(0.5, vmin=0.0, vmax=1.0)
SHADE_TICKS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
DARK = 0.55  #: a shade above this needs white figures


@png_chart
def confusion_matrix(labels: Sequence[str], counts: Counts) -> Figure:
    """`counts`: int64 [classes, classes], true x predicted."""
    numbered = len(labels) <= NUMBERED_CLASSES
    cell = CELL_INCHES if numbered else FEWER_CELL_INCHES
    side = max(LEAST_INCHES, cell * len(labels))
    figure = empty(side, side)
    axes = add_axes(figure, 0, 0, side, side)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    shades = axes.imshow(shares, cmap="Blues", norm=SHADES, interpolation="nearest")
    bar = figure.colorbar(
        shades, cax=_beside(figure, side), ticks=SHADE_TICKS, format=PercentFormatter(1.0, 0)
    )
    bar.set_label("share of the images of a row")
    _name(axes, labels, fontsize=9 if numbered else 7)
    if numbered:
        _number(axes, counts, shares)
    right = int(counts.trace())
    axes.set_title(f"{right:,} of {int(counts.sum()):,} images are right (the diagonal)", pad=12)
    return figure


def _beside(figure: Figure, side: float) -> Axes:
    """Axes for the bar."""
    height = BAR_SHARE * side
    return add_axes(figure, side + BAR_GAP_INCHES, (side - height) / 2, BAR_INCHES, height)


def _name(axes: Axes, labels: Sequence[str], fontsize: int) -> None:
    names = [fitting(label, NAME_LENGTH, NAME_INCHES, fontsize) for label in labels]
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=90, fontsize=fontsize)
    axes.set_yticks(ticks, names, fontsize=fontsize)
    axes.set(xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(True)


def _number(axes: Axes, counts: Counts, shares: np.ndarray) -> None:
    for (i, j), count in np.ndenumerate(counts):
        if count:
            colour = "white" if SHADES(shares[i, j]) > DARK else "black"
            axes.text(j, i, f"{count}", ha="center", va="center", fontsize=8, color=colour)
