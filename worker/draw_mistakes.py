"""The mistakes made with the highest confidence: what to look at first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from worker.examples import Images, Labels
from worker.look import RIGHT, WRONG, picture, show, shown

ROWS, COLUMNS = 3, 5
PANEL_INCHES = 1.6
NAME_LENGTH = 21
#: Where the second line of a caption begins, in heights of an image above its lower edge.
BELOW_TEXT = -0.18


@picture
def mistakes(
    labels: Sequence[str], images: Images, truth: Labels, probabilities: npt.NDArray[np.floating]
) -> Figure:
    """Below each image what it was taken for, in red, and what it is, in blue."""
    wrong = most_confident(probabilities, truth)
    total = int((probabilities.argmax(1) != truth).sum())
    rows = -(-len(wrong) // COLUMNS)
    figure = Figure((COLUMNS * PANEL_INCHES, max(1, rows * (PANEL_INCHES + 0.45))))
    figure.subplots_adjust(left=0.0, right=1.0, top=0.98, bottom=0.0, hspace=0.3, wspace=0.1)
    figure.suptitle(_title(total, len(truth), len(wrong)), y=1.04 if rows else 0.5, fontsize=12)
    for place, i in enumerate(wrong):
        axes = figure.add_subplot(rows, COLUMNS, place + 1)
        show(axes, images[i])
        said = int(probabilities[i].argmax())
        taken = f"{labels[said]} {probabilities[i, said]:.0%}"
        axes.set_xlabel(shown(taken, NAME_LENGTH), color=WRONG, fontsize=9)
        axes.text(
            0.5, BELOW_TEXT, f"is {shown(labels[truth[i]], NAME_LENGTH - 3)}", fontsize=9,
            color=RIGHT, ha="center", va="top", transform=axes.transAxes,
        )  # fmt: skip
    return figure


def most_confident(
    probabilities: npt.NDArray[np.floating], truth: Labels, count: int = ROWS * COLUMNS
) -> npt.NDArray[np.intp]:
    """The wrong answers with the highest confidence first; ties in the order of the images."""
    wrong = np.flatnonzero(probabilities.argmax(1) != truth)
    return wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")][:count]


def _title(wrong: int, total: int, shown_count: int) -> str:
    if not wrong:
        return f"None of {total:,} images was labelled wrongly"
    some_of = "all of them" if shown_count == wrong else f"the {shown_count} most confident"
    return f"{wrong:,} of {total:,} images were labelled wrongly; {some_of}:"
