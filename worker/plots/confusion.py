"""The confusion matrix: counts, with each row's shares as shades."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from worker.evaluation.metrics import Counts
from worker.plots.plot_style import png_plot, shortened

NAME_LENGTH = 28
#: With more classes the numbers would not be legible.
NUMBERED_CLASSES = 25
#: Width and height of one cell, and the minimum of all cells together.
CELL_INCHES, FEWER_CELL_INCHES, LEAST_INCHES = 0.55, 0.16, 3.0
BESIDE_INCHES = 2.6  #: for names, title and the bar
#: Shades grow with the square root of a share, so that 1 % of a row is visible.
SHADES = PowerNorm(0.5, vmin=0.0, vmax=1.0)
SHADE_TICKS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
DARK = 0.55  #: a shade above this needs white figures


@png_plot
def confusion_matrix(labels: Sequence[str], counts: Counts) -> Figure:
    """`counts`: int64 [classes, classes], true x predicted."""
    numbered = len(labels) <= NUMBERED_CLASSES
    cell = CELL_INCHES if numbered else FEWER_CELL_INCHES
    side = max(LEAST_INCHES, cell * len(labels)) + BESIDE_INCHES
    figure = Figure((side, side), layout="compressed")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    shades = axes.imshow(shares, cmap="Blues", norm=SHADES, interpolation="nearest")
    bar = figure.colorbar(
        shades, ax=axes, shrink=0.6, ticks=SHADE_TICKS, format=PercentFormatter(1.0, 0)
    )
    bar.set_label("share of the images of a row")
    _name(axes, labels, fontsize=9 if numbered else 7)
    if numbered:
        _number(axes, counts, shares)
    right = int(counts.trace())
    figure.suptitle(f"{right:,} of {int(counts.sum()):,} images are right (the diagonal)")
    return figure


def _name(axes: Axes, labels: Sequence[str], fontsize: int) -> None:
    names = [shortened(label, NAME_LENGTH) for label in labels]
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
