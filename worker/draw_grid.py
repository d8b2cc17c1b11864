"""Twenty-five images with their names: the second picture of the tutorial."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from worker.examples import Images, Labels
from worker.look import picture, show, shown, some

ROWS = COLUMNS = 5
PANEL_INCHES = 1.6
NAME_LENGTH = 23


@picture
def grid(labels: Sequence[str], images: Images, truth: Labels) -> Figure:
    """A choice of images uint8 [n, height, width, channels], each above its label."""
    figure = Figure((COLUMNS * PANEL_INCHES, ROWS * PANEL_INCHES))
    figure.subplots_adjust(left=0.0, right=1.0, top=1.0, bottom=0.0, hspace=0.2, wspace=0.1)
    for place, i in enumerate(some(truth, ROWS * COLUMNS)):
        axes = figure.add_subplot(ROWS, COLUMNS, place + 1)
        show(axes, images[i])
        axes.set_xlabel(shown(labels[truth[i]], NAME_LENGTH), fontsize=9)
    return figure
