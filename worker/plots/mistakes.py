"""The mistakes with the highest confidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from worker.datasets.examples import ImageRows, Labels
from worker.plots.style import RIGHT, WRONG, draw_image, png_plot, shortened

ROWS, COLUMNS = 3, 5
PANEL_INCHES = 1.6
CAPTION_INCHES = 0.42  #: room for two lines
TITLE_INCHES = 0.4
NAME_LENGTH = 17
#: Top of a caption's second line, in image heights above the image's lower edge.
BELOW_TEXT = -0.18


@png_plot
def mistakes(
    labels: Sequence[str], images: ImageRows, truth: Labels, probabilities: npt.NDArray[np.floating]
) -> Figure:
    """Each image with its predicted label in red and its true label in blue."""
    wrong = most_confident(probabilities, truth)
    total = int((probabilities.argmax(1) != truth).sum())
    columns = min(COLUMNS, max(1, len(wrong)))
    rows = max(1, -(-len(wrong) // columns))
    height = rows * (PANEL_INCHES + CAPTION_INCHES)
    figure = Figure((columns * PANEL_INCHES, height))
    gap = CAPTION_INCHES / PANEL_INCHES
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0, hspace=gap, wspace=0.1)
    figure.suptitle(_title(total, len(truth), len(wrong)), y=1 + TITLE_INCHES / height, fontsize=12)
    for place, i in enumerate(wrong):
        axes = figure.add_subplot(rows, columns, place + 1)
        draw_image(axes, images[i])
        predicted = int(probabilities[i].argmax())
        caption = f"{shortened(labels[predicted], NAME_LENGTH)} {probabilities[i, predicted]:.0%}"
        axes.set_xlabel(caption, color=WRONG, fontsize=9)
        axes.text(
            0.5, BELOW_TEXT, f"is {shortened(labels[truth[i]], NAME_LENGTH)}", fontsize=9,
            color=RIGHT, ha="center", va="top", transform=axes.transAxes,
        )  # fmt: skip
    return figure


def most_confident(
    probabilities: npt.NDArray[np.floating], truth: Labels, count: int = ROWS * COLUMNS
) -> npt.NDArray[np.intp]:
    """The wrong predictions by falling confidence; ties in the order of the images."""
    wrong = np.flatnonzero(probabilities.argmax(1) != truth)
    return wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")][:count]


def _title(wrong: int, total: int, drawn: int) -> str:
    if not wrong:
        return f"None of {total:,} images was labelled wrongly"
    were = "was" if wrong == 1 else "were"
    choice = "" if drawn == wrong else f"; the {drawn} most confident"
    return f"{wrong:,} of {total:,} images {were} labelled wrongly{choice}:"
