"""Plots, drawn with Matplotlib: each axes is placed in inches, drawn once, and cut out.

Matplotlib's layouts and bbox_inches="tight" compute all texts several times for the same frame.
Plots are drawn without pyplot, which has process-wide state. The user's matplotlibrc does not
change them: the same figures give the same bytes. Images with captions and bars share one axes,
whose unit is an inch from its upper left corner: an axes for each would take most of a plot's time.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, NamedTuple, ParamSpec

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from PIL import Image

#: The tutorial's colours of a bar and its caption. The colour-blind can distinguish this blue and
#: red.
RIGHT, WRONG, OTHER = "blue", "red", "#777777"
UNJUDGED = "black"  #: of a prediction without a known label
#: Two lines of one diagram: blue and vermilion of Okabe and Ito, chosen for the colour-blind.
FIRST, SECOND = "#0072B2", "#D55E00"
FAINT = "#eeeeee"
DOTS_PER_INCH = 100
MARGIN_INCHES = 0.12
ELLIPSIS = "…"
#: Around the axes, for their names and titles. What is left of it is cut off.
ROOM_INCHES = 4.0
WHITE = 0xFFFFFFFF

FONT = "DejaVu Sans"  #: comes with Matplotlib

P = ParamSpec("P")

_STYLE = {
    "figure.dpi": DOTS_PER_INCH,
    "font.family": [FONT],
    "text.parse_math": False,  # a label may hold a dollar sign
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titley": 1.0,  # not above ticks, of which there are none at the top
}
#: From an image to the baseline of the text below it, and from there to that of the next line.
CAPTION_INCHES, LINE_INCHES = 0.15, 0.17
CAPTION_SIZE = 9
FRAME_POINTS = 0.7


def shortened(label: str, limit: int) -> str:
    """A label as one line of at most `limit` characters, with the middle left out."""
    text = " ".join(label.encode(errors="replace").decode().split())
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return text[: limit - 1 - tail] + ELLIPSIS + text[len(text) - tail :]


def png_chart(draw: Callable[P, Figure]) -> Callable[P, bytes]:
    """Turn a function that draws a figure into one that returns a PNG file."""

    @wraps(draw)
    def encoded(*args: P.args, **kwargs: P.kwargs) -> bytes:
        with matplotlib.rc_context(changed_settings()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # a box is drawn instead
            return _png(draw(*args, **kwargs))

    return encoded


def empty(width: float, height: float) -> Figure:
    """A figure for axes within this size in inches."""
    return Figure((width + 2 * ROOM_INCHES, height + 2 * ROOM_INCHES))


def add_axes(
    figure: Figure, left: float, bottom: float, width: float, height: float, **kwargs: Any
) -> Axes:
    """Axes at a place in inches from the lower left corner of what `empty` was asked for."""
    across, up = figure.get_size_inches()
    place = (left + ROOM_INCHES) / across, (bottom + ROOM_INCHES) / up, width / across, height / up
    return figure.add_axes(place, **kwargs)


def fitting(label: str, limit: int, inches: float, points: float) -> str:
    """A label as one line of at most `limit` characters that is not wider than this.

    A few letters are wider than high.
    """
    line = shortened(label, limit)
    while _width(line, points) > inches:
        line = shortened(line, len(line) - 2)
    return line


def _width(line: str, points: float) -> float:
    """In inches."""
    font = FontProperties(family=FONT, size=points)
    dots = _renderer().get_text_width_height_descent(line, font, False)[0]
    return float(dots) / DOTS_PER_INCH


@cache
def _renderer() -> RendererAgg:
    return RendererAgg(1, 1, DOTS_PER_INCH)


def changed_settings() -> dict[str, Any]:
    """The settings that are not those of the style: Matplotlib takes its time to check each."""
    wanted = matplotlib.rcParamsDefault | _STYLE
    current = matplotlib.rcParams
    return {k: v for k, v in wanted.items() if k != "backend" and current[k] != v}


def _png(figure: Figure) -> bytes:
    """What is not white, with a margin."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    ink = pixels.view(np.uint32)[..., 0] != WHITE
    rows, columns = (_part(ink.any(axis)) for axis in (1, 0))
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[rows, columns, :3])).save(file, "PNG")
    return file.getvalue()


def _part(ink: np.ndarray) -> slice:
    """From the first True to the last one, with a margin."""
    margin, inked = round(MARGIN_INCHES * DOTS_PER_INCH), np.flatnonzero(ink)
    return slice(max(0, inked[0] - margin), inked[-1] + 1 + margin)


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
