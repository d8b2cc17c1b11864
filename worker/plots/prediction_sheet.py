"""Fifteen images, each with its probabilities as bars: the last plot of the tutorial."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from worker.datasets.examples import ImageRows, Labels
from worker.plots.bars import NUMBERED_LABELS, bars
from worker.plots.style import RIGHT, WRONG, draw_image, png_plot, shortened, some

ROWS, COLUMNS = 5, 3
PANEL_INCHES = 1.8
#: Room for two lines.
CAPTION_INCHES = 0.38
NAME_LENGTH = 22
#: Number of characters of both names that fit below an image, beside a percentage.
LINE_LENGTH = 20
NEW_LINE = "\n"
#: Position below the panels, as a share of their height.
KEY_Y = -0.045
KEY_LENGTH = 24
KEY_LINE_LENGTH = 130


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
    if len(labels) <= NUMBERED_LABELS:
        figure.text(0.5, KEY_Y, _key(labels), ha="center", va="top", fontsize=9)
    return figure


def caption(labels: Sequence[str], row: npt.NDArray[np.floating], truth: int) -> str:
    """`Ankle boot 98% (Sneaker)`: predicted and true; in two lines if one is too long."""
    best = int(row.argmax())
    predicted, true = (shortened(labels[i], NAME_LENGTH) for i in (best, truth))
    fits = len(predicted) + len(true) <= LINE_LENGTH
    return f"{predicted} {row[best]:.0%}{' ' if fits else NEW_LINE}({true})"


def _key(labels: Sequence[str]) -> str:
    """The numbers of the labels."""
    named = [
        f"{i}\N{NO-BREAK SPACE}{shortened(label, KEY_LENGTH)}" for i, label in enumerate(labels)
    ]
    unbroken = "   ".join(name.replace(" ", "\N{NO-BREAK SPACE}") for name in named)
    return textwrap.fill(unbroken, KEY_LINE_LENGTH)
