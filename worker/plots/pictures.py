"""Images with captions and bars, in one axes whose unit is an inch from its upper left corner.

An axes for each image would take most of a plot's time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from worker.plots.chart import add_axes, empty

#: From an image to the baseline of the text below it, and from there to that of the next line.
CAPTION_INCHES, LINE_INCHES = 0.15, 0.17
CAPTION_SIZE = 9
FRAME_POINTS = 0.7


class Panel(NamedTuple):
    """A rectangle, in inches."""

    left: float
    top: float
    width: float
    height: float

    def x(self, share: float) -> float:
        """From the left edge (0) to the right one (1)."""
        return self.left + share * self.width

    def y(self, share: float) -> float:
        """From the lower edge (0) to the upper one (1)."""
        return self.top + (1 - share) * self.height


class Rows(NamedTuple):
    """Squares in rows, and where they are drawn."""

    figure: Figure
    axes: Axes
    places: list[Panel]


def in_rows(columns: int, count: int, side: float, gaps: tuple[float, float]) -> Rows:
    """Empty squares, with these gaps between columns and between rows."""
    across, down = side + gaps[0], side + gaps[1]
    width, height = columns * across - gaps[0], max(1, -(-count // columns)) * down - gaps[1]
    figure = empty(width, height)
    axes = add_axes(figure, 0, 0, width, height, xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    axes.set_autoscale_on(False)
    places = (divmod(number, columns) for number in range(count))
    panels = [Panel(column * across, row * down, side, side) for row, column in places]
    return Rows(figure, axes, panels)


def put_image(axes: Axes, place: Panel, image: npt.NDArray[np.uint8]) -> Panel:
    """Put uint8 [height, width, channels] where it fits, in a frame; grey as ink on paper."""
    rows, columns, channels = image.shape
    width = place.width * min(1, columns / rows)
    height = place.height * min(1, rows / columns)
    left, top = place.left + (place.width - width) / 2, place.top + (place.height - height) / 2
    panel = Panel(left, top, width, height)
    axes.imshow(
        image if channels == 3 else image[..., 0],
        cmap="gray_r",
        vmin=0,
        vmax=255,
        aspect="auto",
        extent=(panel.x(0), panel.x(1), panel.y(0), panel.y(1)),
    )
    put_frame(axes, panel)
    return panel


def put_frame(axes: Axes, panel: Panel) -> None:
    corner = panel.left, panel.top
    frame = Rectangle(corner, panel.width, panel.height, fill=False, lw=FRAME_POINTS, clip_on=False)
    axes.add_artist(frame)  # add_patch would update the limits of the axes


def put_bar(
    axes: Axes, panel: Panel, across: tuple[float, float], up: tuple[float, float], colour: str
) -> None:
    """Fill the part between two shares of the width, and two of the height."""
    (left, right), (bottom, top) = map(panel.x, across), map(panel.y, up)
    axes.add_artist(Rectangle((left, top), right - left, bottom - top, color=colour, lw=0))


def write_below(axes: Axes, panel: Panel, text: str, colour: str = "black", line: int = 0) -> None:
    """Write a caption, from its line of that number."""
    for number, words in enumerate(text.split("\n"), line):
        y = panel.y(0) + CAPTION_INCHES + number * LINE_INCHES
        axes.text(panel.x(0.5), y, words, size=CAPTION_SIZE, color=colour, ha="center")
