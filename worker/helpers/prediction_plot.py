"""`python -m worker.helpers.prediction_plot`: draws images beside their probabilities, as
TensorFlow's tutorial does, for a producer, which has no Matplotlib (shared/messages/helpers.py)."""

from __future__ import annotations

import io
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from shared import process
from shared.messages.framing import orders, reply
from shared.messages.helpers import Drawn, PlotOrder
from worker.evaluation.chart import (
    CAPTION_SIZE,
    OTHER,
    Panel,
    in_rows,
    png_chart,
    put_frame,
    put_image,
    shortened,
    write_below,
)
from worker.evaluation.image_sheets import bars, colours

MOST_PAIRS_PER_ROW = 3
PANEL_INCHES = 2.2
#: Between columns, and between rows: room for three lines and the title of the next row.
GAPS_INCHES = (0.12, 0.9)
TITLE_INCHES, TITLE_SIZE = 0.06, 8
NAME_LENGTH, MESSAGE_LENGTH = 26, 26


def main() -> None:
    """Serve until the input ends."""
    process.skip_last_search()
    for order in orders(PlotOrder):
        reply(plot(order))


@png_chart
def plot(order: PlotOrder) -> Figure:
    """Each image, and beside it the probabilities of its labels."""
    columns, count = min(MOST_PAIRS_PER_ROW, len(order.images)), len(order.images)
    figure, axes, places = in_rows(2 * columns, 2 * count, PANEL_INCHES, GAPS_INCHES)
    for image, left, right in zip(order.images, places[::2], places[1::2], strict=True):
        panel = _put(axes, left, image)
        if image.probabilities:
            row = np.array(image.probabilities)
            colour = colours(row, image.truth)[int(row.argmax())]
            write_below(axes, panel, image.caption, colour)
            bars(axes, right, order.labels, row, image.truth)
    return figure


def _put(axes: Axes, place: Panel, image: Drawn) -> Panel:
    """The image and its name, or why there is none."""
    panel = place
    if image.picture:
        with Image.open(io.BytesIO(image.picture), formats=("WEBP",)) as opened:
            panel = put_image(axes, place, np.asarray(opened.convert("RGB")))
    else:
        put_frame(axes, place)
        why, middle = textwrap.fill(image.why, MESSAGE_LENGTH), (place.x(0.5), place.y(0.5))
        axes.text(*middle, why, size=CAPTION_SIZE, ha="center", va="center")
    title, above = shortened(image.title, NAME_LENGTH), panel.y(1) - TITLE_INCHES
    axes.text(panel.x(0.5), above, title, size=TITLE_SIZE, color=OTHER, ha="center")
    return panel


if __name__ == "__main__":
    main()
