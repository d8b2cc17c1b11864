"""Fifteen images, each with its probabilities as bars: the last plot of the tutorial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from worker.datasets.examples import ImageRows, Labels
from worker.plots.bars import bars
from worker.plots.style import RIGHT, WRONG, draw_image, png_plot, shortened, some

ROWS, COLUMNS = 5, 3
PANEL_INCHES = 1.8
#: Room for two lines.
CAPTION_INCHES = 0.38
NAME_LENGTH = 22
#: Number of characters of both names that fit below an image, beside a percentage.
LINE_LENGTH = 20
NEW_LINE = "\n"


@png_plot
def sheet(
    labels: Sequence[str], images: ImageRows, truth: Labels, probabilities: npt.NDArray[np.floating]
) -> Figure:
    """Some of the images uint8 [n, height, width, channels] with their probabilities [n, classes].

    The caption is blue if the prediction is right and red if it is wrong.
    """
    figure = Figure((2 * COLUMNS * PANEL_INCHES, ROWS * (PANEL_INCHES + CAPTION_INCHES)))
    gap = CAPTION_INCHES / PANEL_INCHES
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0, hspace=gap, wspace=0.06)
    for place, i in enumerate(some(truth, ROWS * COLUMNS)):
        left = figure.add_subplot(ROWS, 2 * COLUMNS, 2 * place + 1)
        draw_image(left, images[i])
        row, true = probabilities[i], int(truth[i])
        colour = RIGHT if row.argmax() == true else WRONG
        left.set_xlabel(caption(labels, row, true), color=colour, fontsize=9)
        bars(figure.add_subplot(ROWS, 2 * COLUMNS, 2 * place + 2), labels, row, true)
    return figure


def caption(labels: Sequence[str], row: npt.NDArray[np.floating], truth: int) -> str:
    """`Ankle boot 98% (Sneaker)`: predicted and true; in two lines if one is too long."""
    best = int(row.argmax())
    predicted, true = (shortened(labels[i], NAME_LENGTH) for i in (best, truth))
    fits = len(predicted) + len(true) <= LINE_LENGTH
    return f"{predicted} {row[best]:.0%}{' ' if fits else NEW_LINE}({true})"
