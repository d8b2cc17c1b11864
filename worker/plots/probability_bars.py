"""The probabilities of one image as bars, in the tutorial's colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from worker.plots.pictures import Panel, put_bar, put_frame
from worker.plots.plot_style import OTHER, RIGHT, UNJUDGED, WRONG, shortened

#: Up to this number of labels each has a vertical bar, as in the tutorial, if their names fit.
VERTICAL_BARS, VERTICAL_LENGTH = 12, 17
#: Else the most probable ones and the true one have horizontal bars.
NAMED_BARS = 5
NAME_LENGTH = 26
#: Above this height a name is inside its bar.
TALL = 0.5
#: Beside the outer bars, as a share of the width of all.
BESIDE = 0.05

Row = npt.NDArray[np.floating]  #: [classes]


def colours(row: Row, truth: int | None) -> list[str]:
    """The colour of each label: predicted but wrong red, true blue, others grey; predicted black if
    the truth is not known."""
    colours = [OTHER] * len(row)
    colours[int(row.argmax())] = UNJUDGED if truth is None else WRONG
    if truth is not None:
        colours[truth] = RIGHT
    return colours


def bars(axes: Axes, panel: Panel, labels: Sequence[str], row: Row, truth: int | None) -> None:
    """Draw the probabilities of one image."""
    fit = len(labels) <= VERTICAL_BARS and max(map(len, labels)) <= VERTICAL_LENGTH
    if fit:
        _vertical(axes, panel, labels, row, truth)
    else:
        _horizontal(axes, panel, labels, row, truth)
    put_frame(axes, panel)


def _vertical(axes: Axes, panel: Panel, labels: Sequence[str], row: Row, truth: int | None) -> None:
    """Each name stands on its bar, or in a tall one."""
    outer = BESIDE * (len(row) - 0.2)
    first, last = -0.4 - outer, len(row) - 0.6 + outer
    palette = colours(row, truth)
    for i, label in enumerate(labels):
        left, right = ((i + edge - first) / (last - first) for edge in (-0.4, 0.4))
        put_bar(axes, panel, (left, right), (0, float(row[i])), palette[i])
        inside = row[i] > TALL
        x, y = panel.x((left + right) / 2), panel.y(0.03 if inside else float(row[i]) + 0.03)
        name, colour = shortened(label, VERTICAL_LENGTH), "white" if inside else "black"
        axes.text(x, y, name, size=7, color=colour, ha="center", va="bottom", rotation=90)


def _horizontal(
    axes: Axes, panel: Panel, labels: Sequence[str], row: Row, truth: int | None
) -> None:
    """From the top down, each name above its bar."""
    best = np.argsort(-row, kind="stable")[:NAMED_BARS]
    if truth is not None and truth not in best:
        best[-1] = truth
    palette = colours(row, truth)
    step = 1 / (len(best) + 0.1)
    for number, i in enumerate(best):
        middle = 1 - (number + 0.4) * step
        up = middle - 0.45 * step, middle - 0.15 * step
        put_bar(axes, panel, (0, float(row[i])), up, palette[i])
        name = shortened(labels[i], NAME_LENGTH)
        axes.text(panel.x(0.02), panel.y(middle), name, size=8, va="center")
