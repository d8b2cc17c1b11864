"""Images, bars and captions on a canvas, drawn with Pillow.

Matplotlib draws lines and axes better, but takes five times as long for a plot without either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, wraps
from pathlib import Path
from typing import Literal, NamedTuple, ParamSpec

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from worker.plots import png_file
from worker.plots.plot_style import DOTS_PER_INCH, MARGIN_INCHES, shortened

POINTS_PER_INCH = 72
#: The part of a line of text above its baseline and that below it, in heights of the font. Accents
#: of capitals are higher.
ASCENT, DESCENT = 0.76, 0.24
#: An image is enlarged to squares from this factor on; below, they would differ in size.
SQUARES_FROM = 3

P = ParamSpec("P")
Pixels = tuple[int, int, int, int]  #: left, top, right, bottom


class Panel(NamedTuple):
    """A rectangle in inches from the upper left corner of the canvas."""

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

    def part(self, across: tuple[float, float], up: tuple[float, float]) -> Panel:
        """Between two shares of the width, and two of the height."""
        left, right = map(self.x, across)
        bottom, top = map(self.y, up)
        return Panel(left, top, right - left, bottom - top)


class Text(NamedTuple):
    """A line of text at a place."""

    x: float  #: in inches
    y: float
    line: str
    points: float
    colour: str
    across: Literal["left", "middle"] = "left"  #: of the text that is at x; upright: the middle
    up: Literal["top", "middle", "bottom"] = "middle"  #: of the text that is at y
    upright: bool = False  #: read from below

    def panel(self) -> Panel:
        """The place that it takes."""
        em = self.points / POINTS_PER_INCH
        size = _font(self.points).getlength(self.line) / DOTS_PER_INCH, em * (ASCENT + DESCENT)
        width, height = size[::-1] if self.upright else size
        left = self.x - (width / 2 if self.across == "middle" else 0)
        return Panel(
            left, self.y - height * {"top": 0, "middle": 0.5, "bottom": 1}[self.up], width, height
        )


class Canvas:
    """What is on a canvas; its size is that of its content."""

    def __init__(self) -> None:
        self.images = list[tuple[Panel, npt.NDArray[np.uint8]]]()
        self.bars = list[tuple[Panel, str]]()
        self.frames = list[Panel]()
        self.texts = list[Text]()

    def drawn(self) -> Image.Image:
        """What is on it, in RGB, with a margin."""
        left, top, right, bottom = self._bounds()
        drawn = Image.new("RGB", (right - left, bottom - top), "white")
        draw = ImageDraw.Draw(drawn)
        for panel, image in self.images:
            x, y, end_x, end_y = _pixels(panel, left, top)
            drawn.paste(_resized(image, end_x - x, end_y - y), (x, y))
        for panel, colour in self.bars:
            x, y, end_x, end_y = _pixels(panel, left, top)
            if end_x > x and end_y > y:
                draw.rectangle((x, y, end_x - 1, end_y - 1), colour)
        for panel in self.frames:
            draw.rectangle(_pixels(panel, left, top), outline="black")
        for text in self.texts:
            mask, x, y = _mask(text)
            drawn.paste(text.colour, (x - left, y - top), mask)
        return drawn

    def _bounds(self) -> Pixels:
        """The content and its margin."""
        panels = list(self._panels()) or [Panel(0.0, 0.0, 0.0, 0.0)]
        lefts, tops, rights, bottoms = zip(*map(_pixels, panels), strict=True)
        margin = round(MARGIN_INCHES * DOTS_PER_INCH)
        return min(lefts) - margin, min(tops) - margin, max(rights) + margin, max(bottoms) + margin

    def _panels(self) -> Iterator[Panel]:
        for panel, _ in (*self.images, *self.bars):
            yield panel
        yield from self.frames
        for text in self.texts:
            yield text.panel()


def png_canvas(draw: Callable[P, Canvas]) -> Callable[P, bytes]:
    """Turn a function that returns a canvas into one that returns a PNG file."""

    @wraps(draw)
    def encoded(*args: P.args, **kwargs: P.kwargs) -> bytes:
        return png_file.encode(draw(*args, **kwargs).drawn())

    return encoded


def fitting(label: str, limit: int, inches: float, points: float) -> str:
    """A label as one line of at most `limit` characters that is not wider than this.

    A few letters are wider than high.
    """
    line = shortened(label, limit)
    while Text(0.0, 0.0, line, points, "black").panel().width > inches:
        line = shortened(line, len(line) - 2)
    return line


def _pixels(panel: Panel, left: int = 0, top: int = 0) -> Pixels:
    """The place of a panel, from this corner."""
    edges = panel.left, panel.top, panel.x(1), panel.y(0)
    x, y, end_x, end_y = (round(edge * DOTS_PER_INCH) for edge in edges)
    return x - left, y - top, end_x - left, end_y - top


def _resized(image: npt.NDArray[np.uint8], width: int, height: int) -> Image.Image:
    """uint8 [height, width, channels]: grey as ink on paper, colour as it is."""
    grey = image.shape[-1] == 1
    whole = Image.fromarray(255 - image[..., 0] if grey else np.ascontiguousarray(image))
    enlarged = width >= SQUARES_FROM * whole.width
    how = Image.Resampling.NEAREST if enlarged else Image.Resampling.HAMMING
    return whole.resize((max(1, width), max(1, height)), how)


@cache
def _font(points: float) -> ImageFont.FreeTypeFont:
    """The font of Matplotlib's plots, which comes with it."""
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(
        path, points * DOTS_PER_INCH / POINTS_PER_INCH, layout_engine=ImageFont.Layout.BASIC
    )


def _mask(text: Text) -> tuple[Image.Image, int, int]:
    """The coverage of each pixel of a text's letters, and their left and upper edge in pixels."""
    font, rise = _font(text.points), round(text.points * DOTS_PER_INCH / POINTS_PER_INCH * ASCENT)
    x, y, _, bottom = _pixels(text.panel())
    left, top, right, below = map(round, font.getbbox(text.line, anchor="ls"))
    mask = Image.new("L", (right - left, below - top))
    ImageDraw.Draw(mask).text((-left, -top), text.line, 255, font, "ls")
    if text.upright:
        return mask.transpose(Image.Transpose.ROTATE_90), x + rise + top, bottom - right
    return mask, x + left, y + rise + top
