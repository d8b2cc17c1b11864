"""Plots, drawn with Matplotlib: each axes is placed in inches, drawn once, and cut out.

Matplotlib's layouts and bbox_inches="tight" compute all texts several times for the same frame.
Plots are drawn without pyplot, which has process-wide state. The user's matplotlibrc does not
change them: the same figures give the same bytes.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from PIL import Image

from worker.plots.plot_style import DOTS_PER_INCH, MARGIN_INCHES, shortened

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
