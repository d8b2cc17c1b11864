"""Fifteen images, each with its probabilities as bars: the last plot of the tutorial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from worker.datasets.examples import ImageRows, Labels
from worker.plots.chart import png_chart
from worker.plots.pictures import in_rows, put_image, write_below
from worker.plots.plot_style import RIGHT, WRONG, shortened, some
from worker.plots.probability_bars import bars

ROWS, COLUMNS = 5, 3
PANEL_INCHES = 1.7
#: Between columns, and between rows: room for two lines.
GAPS_INCHES = (0.1, 0.54)
NAME_LENGTH = 22
#: Number of characters of both names that fit below an image, beside a percentage.
LINE_LENGTH = 20
NEW_LINE = "\n"


@png_chart
def sheet(
    labels: Sequence[str], images: ImageRows, truth: Labels, probabilities: npt.NDArray[np.floating]
) -> Figure:
    """Some of the images uint8 [n, height, width, channels] with their probabilities [n, classes].

    The caption is blue if the prediction is right and red if it is wrong.
    """
    chosen = some(truth, ROWS * COLUMNS)
    figure, axes, places = in_rows(2 * COLUMNS, 2 * len(chosen), PANEL_INCHES, GAPS_INCHES)
    for i, left, right in zip(chosen, places[::2], places[1::2], strict=True):
        row, true = probabilities[i], int(truth[i])
        colour = RIGHT if row.argmax() == true else WRONG
        write_below(axes, put_image(axes, left, images[i]), caption(labels, row, true), colour)
        bars(axes, right, labels, row, true)
    return figure


def caption(labels: Sequence[str], row: npt.NDArray[np.floating], truth: int) -> str:
    """`Ankle boot 98% (Sneaker)`: predicted and true; in two lines if one is too long."""
    best = int(row.argmax())
    predicted, true = (shortened(labels[i], NAME_LENGTH) for i in (best, truth))
    fits = len(predicted) + len(true) <= LINE_LENGTH
    return f"{predicted} {row[best]:.0%}{' ' if fits else NEW_LINE}({true})"
