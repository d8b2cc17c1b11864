"""Images and bars side by side, on one pair of axes in inches.

Axes of its own for each panel would take most of the time of a plot: their ticks are laid out
twice for each file, although none is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

FRAME_POINTS = 0.8
#: Between a panel and the text below it, and of a line of that text.
CAPTION_GAP_INCHES, LINE_INCHES = 0.05, 0.17
CAPTION_SIZE = 9

Gaps = tuple[float, float]  #: in inches, between columns and between rows


class Panel(NamedTuple):
    """A rectangle in inches from the upper left corner of the figure."""

    left: float
    top: float
    width: float
    height: float

    def fitted(self, aspect: float) -> Panel:
        """The largest part in the middle that is `aspect` times as wide as it is high."""
        width = min(self.width, self.height * aspect)
        height = width / aspect
        return Panel(
            self.left + (self.width - width) / 2,
            self.top + (self.height - height) / 2,
            width,
            height,
        )

    def x(self, share: float) -> float:
        """From the left edge (0) to the right one (1)."""
        return self.left + share * self.width

    def y(self, share: float) -> float:
        """From the lower edge (0) to the upper one (1)."""
        return self.top + (1 - share) * self.height


def empty_page(places: Sequence[Panel]) -> tuple[Figure, Axes]:
    """A figure for these panels, with axes in inches that are not visible; y grows downwards."""
    width = max((place.x(1) for place in places), default=1.0)
    height = max((place.y(0) for place in places), default=0.1)
    figure = Figure((width, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def in_rows(columns: int, count: int, side: float, gaps: Gaps) -> list[Panel]:
    """Squares, row by row from the upper left corner."""
    return [
        Panel(number % columns * (side + gaps[0]), number // columns * (side + gaps[1]), side, side)
        for number in range(count)
    ]


def draw_image(axes: Axes, place: Panel, image: npt.NDArray[np.uint8]) -> Panel:
    """Draw uint8 [height, width, channels] where it fits: grey as ink on paper, colour as it is."""
    height, width, channels = image.shape
    panel = place.fitted(width / height)
    drawn = axes.imshow(
        image[..., 0] if channels == 1 else image, cmap="binary", vmin=0, vmax=255, aspect="auto",
        extent=(panel.left, panel.x(1), panel.y(0), panel.top),
    )  # fmt: skip
    drawn.set_clip_on(False)
    draw_frame(axes, panel)
    return panel


def draw_frame(axes: Axes, panel: Panel) -> None:
    """Draw its edges in black."""
    frame = Rectangle(panel[:2], *panel[2:], fill=False, lw=FRAME_POINTS, clip_on=False, zorder=2.5)
    axes.add_artist(frame)


def write_below(axes: Axes, panel: Panel, text: str, colour: str = "black", line: int = 0) -> None:
    """Write a caption, from its line of that number."""
    axes.text(
        panel.x(0.5), panel.y(0) + CAPTION_GAP_INCHES + line * LINE_INCHES, text, color=colour,
        fontsize=CAPTION_SIZE, ha="center", va="top",
    )  # fmt: skip
