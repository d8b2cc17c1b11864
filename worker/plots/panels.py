"""Images with captions, in rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from worker.plots.canvas import Canvas, Panel, Text

#: Between a panel and the text below it, and of a line of that text.
CAPTION_GAP_INCHES, LINE_INCHES = 0.05, 0.17
CAPTION_SIZE = 9

Gaps = tuple[float, float]  #: in inches, between columns and between rows


def in_rows(columns: int, count: int, side: float, gaps: Gaps) -> list[Panel]:
    """Squares, row by row from the upper left corner."""
    return [
        Panel(number % columns * (side + gaps[0]), number // columns * (side + gaps[1]), side, side)
        for number in range(count)
    ]


def put_image(canvas: Canvas, place: Panel, image: npt.NDArray[np.uint8]) -> Panel:
    """Put uint8 [height, width, channels] where it fits, in a frame."""
    height, width, _ = image.shape
    panel = place.fitted(width / height)
    canvas.images.append((panel, image))
    canvas.frames.append(panel)
    return panel


def write_below(
    canvas: Canvas, panel: Panel, text: str, colour: str = "black", line: int = 0
) -> None:
    """Write a caption, from its line of that number."""
    for number, words in enumerate(text.split("\n"), line):
        y = panel.y(0) + CAPTION_GAP_INCHES + number * LINE_INCHES
        canvas.texts.append(Text(panel.x(0.5), y, words, CAPTION_SIZE, colour, "middle", "top"))
