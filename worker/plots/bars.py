"""The probabilities of one image as bars, in the tutorial's colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from worker.plots.style import OTHER, RIGHT, WRONG, shortened

#: Up to this number of labels each has a vertical bar, as in the tutorial, if their names fit.
VERTICAL_BARS, VERTICAL_LENGTH = 12, 17
#: Else the most probable ones and the true one have horizontal bars.
NAMED_BARS = 5
NAME_LENGTH = 26
#: Above this height a name is inside its bar.
TALL = 0.5

Row = npt.NDArray[np.floating]  #: [classes]


def colours(row: Row, truth: int) -> list[str]:
    """The colour of each label: predicted but wrong red, true blue, others grey."""
    found = [OTHER] * len(row)
    found[int(row.argmax())] = WRONG
    found[truth] = RIGHT
    return found


def bars(axes: Axes, labels: Sequence[str], row: Row, truth: int) -> None:
    """Draw the probabilities of one image."""
    fit = len(labels) <= VERTICAL_BARS and max(map(len, labels)) <= VERTICAL_LENGTH
    if fit:
        _vertical(axes, labels, row, truth)
    else:
        _horizontal(axes, labels, row, truth)
    axes.set_box_aspect(1)
    axes.spines[:].set_visible(True)


def _vertical(axes: Axes, labels: Sequence[str], row: Row, truth: int) -> None:
    """Each name stands on its bar, or in a tall one."""
    axes.bar(range(len(row)), row, color=colours(row, truth))
    axes.set(ylim=(0, 1), xticks=[], yticks=[])
    for i, label in enumerate(labels):
        inside = row[i] > TALL
        axes.text(
            i, 0.03 if inside else row[i] + 0.03, shortened(label, VERTICAL_LENGTH),
            rotation=90, fontsize=7, ha="center", va="bottom",
            color="white" if inside else "black",
        )  # fmt: skip


def _horizontal(axes: Axes, labels: Sequence[str], row: Row, truth: int) -> None:
    """From the top down, each name above its bar."""
    best = np.argsort(-row, kind="stable")[:NAMED_BARS]
    if truth not in best:
        best[-1] = truth
    palette = colours(row, truth)
    places = np.arange(len(best))
    axes.barh(places + 0.3, row[best], 0.3, color=[palette[i] for i in best])
    for place, i in enumerate(best):
        axes.text(0.02, place, shortened(labels[i], NAME_LENGTH), fontsize=8, va="center")
    axes.set(xlim=(0, 1), ylim=(len(best) - 0.3, -0.4), xticks=[], yticks=[])
