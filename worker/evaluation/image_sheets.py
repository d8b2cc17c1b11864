"""Plots of images: the tutorial's first two, its last one with the probabilities of fifteen images
as bars, and the mistakes with the highest confidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from worker.datasets.examples import ImageRows, Images, Labels, evenly_spaced
from worker.evaluation.chart import (
    OTHER,
    RIGHT,
    ROOM_INCHES,
    UNJUDGED,
    WRONG,
    Panel,
    add_axes,
    empty,
    fitting,
    in_rows,
    png_chart,
    put_bar,
    put_frame,
    put_image,
    shortened,
    write_below,
)
from worker.evaluation.metrics import most_confident_mistakes

#: Up to this number of labels each has a vertical bar, as in the tutorial, if their names fit.
VERTICAL_BARS, VERTICAL_LENGTH = 12, 17
#: Else the most probable ones and the true one have horizontal bars.
NAMED_BARS = 5
BAR_NAME_LENGTH = 26
#: Above this height a name is inside its bar.
TALL = 0.5
#: Beside the outer bars, as a share of the width of all.
BESIDE = 0.05

Row = npt.NDArray[np.floating]  #: [classes]
SHEET_ROWS, SHEET_COLUMNS = 5, 3
SHEET_PANEL_INCHES = 1.7
#: Between columns, and between rows: room for two lines.
SHEET_GAPS_INCHES = (0.1, 0.54)
SHEET_NAME_LENGTH = 22
#: Number of characters of both names that fit below an image, beside a percentage.
LINE_LENGTH = 20
NEW_LINE = "\n"
MISTAKE_ROWS, MISTAKE_COLUMNS = 3, 5
MISTAKE_PANEL_INCHES = 1.5
#: Between columns, and between rows: room for two lines.
MISTAKE_GAPS_INCHES = (0.15, 0.52)
MISTAKE_TITLE_INCHES, MISTAKE_TITLE_SIZE = 0.3, 12
MISTAKE_NAME_LENGTH = 17
#: The longer side of an image, between two, and of the bar beside them.
SINGLE_INCHES, SINGLE_GAP_INCHES = 3.2, 0.6
BAR_INCHES, BAR_GAP_INCHES = 0.16, 0.16
TITLE_LENGTH, TITLE_WIDTH_INCHES, TITLE_INCHES, TITLE_SIZE = 60, 10.0, 0.15, 12
#: Weights of red, green and blue in a grey value (ITU-R BT.601), as in Pillow.
LUMA = np.array([0.299, 0.587, 0.114])
#: The grid's rows and columns.
GRID_ROWS = GRID_COLUMNS = 5
GRID_PANEL_INCHES = 1.4
GRID_GAPS_INCHES = (0.14, 0.28)
GRID_NAME_LENGTH = 23


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
        name = shortened(labels[i], BAR_NAME_LENGTH)
        axes.text(panel.x(0.02), panel.y(middle), name, size=8, va="center")


@png_chart
def sheet(
    labels: Sequence[str], images: ImageRows, truth: Labels, probabilities: npt.NDArray[np.floating]
) -> Figure:
    """Some of the images uint8 [n, height, width, channels] with their probabilities [n, classes].

    The caption is blue if the prediction is right and red if it is wrong.
    """
    chosen = evenly_spaced(len(truth), SHEET_ROWS * SHEET_COLUMNS)
    figure, axes, places = in_rows(
        2 * SHEET_COLUMNS, 2 * len(chosen), SHEET_PANEL_INCHES, SHEET_GAPS_INCHES
    )
    for i, left, right in zip(chosen, places[::2], places[1::2], strict=True):
        row, true = probabilities[i], int(truth[i])
        colour = RIGHT if row.argmax() == true else WRONG
        write_below(axes, put_image(axes, left, images[i]), caption(labels, row, true), colour)
        bars(axes, right, labels, row, true)
    return figure


def caption(labels: Sequence[str], row: npt.NDArray[np.floating], truth: int) -> str:
    """`Ankle boot 98% (Sneaker)`: predicted and true; in two lines if one is too long."""
    best = int(row.argmax())
    predicted, true = (shortened(labels[i], SHEET_NAME_LENGTH) for i in (best, truth))
    fits = len(predicted) + len(true) <= LINE_LENGTH
    return f"{predicted} {row[best]:.0%}{' ' if fits else NEW_LINE}({true})"


@png_chart
def mistakes(
    labels: Sequence[str], images: ImageRows, truth: Labels, probabilities: npt.NDArray[np.floating]
) -> Figure:
    """Each image with its predicted label in red and its true label in blue."""
    every = most_confident_mistakes(probabilities, truth)
    total, wrong = len(every), every[: MISTAKE_ROWS * MISTAKE_COLUMNS]
    columns = min(MISTAKE_COLUMNS, max(1, len(wrong)))
    figure, axes, places = in_rows(columns, len(wrong), MISTAKE_PANEL_INCHES, MISTAKE_GAPS_INCHES)
    title, middle = _title(total, len(truth), len(wrong)), sum(axes.get_xlim()) / 2
    axes.text(
        middle, -MISTAKE_TITLE_INCHES, title, size=MISTAKE_TITLE_SIZE, ha="center", va="center"
    )
    for i, place in zip(wrong, places, strict=True):
        panel = put_image(axes, place, images[i])
        predicted = int(probabilities[i].argmax())
        caption = (
            f"{shortened(labels[predicted], MISTAKE_NAME_LENGTH)} {probabilities[i, predicted]:.0%}"
        )
        write_below(axes, panel, caption, WRONG)
        write_below(
            axes, panel, f"is {shortened(labels[truth[i]], MISTAKE_NAME_LENGTH)}", RIGHT, line=1
        )
    return figure


def _title(wrong: int, total: int, drawn: int) -> str:
    if not wrong:
        return f"None of {total:,} images was labelled wrongly"
    were = "was" if wrong == 1 else "were"
    choice = "" if drawn == wrong else f"; the {drawn} most confident"
    return f"{wrong:,} of {total:,} images {were} labelled wrongly{choice}:"


@png_chart
def single(image: npt.NDArray[np.uint8], title: str) -> Figure:
    """uint8 [height, width, channels] beside a colour bar; for a photo also its brightness."""
    coloured = image.shape[-1] == 3
    height, width = (SINGLE_INCHES * side / max(image.shape[:2]) for side in image.shape[:2])
    second = (width + SINGLE_GAP_INCHES) * coloured
    figure = empty(second + width, height)
    if coloured:
        add_axes(figure, 0, 0, width, height).imshow(image)
    values = image @ LUMA if coloured else image[..., 0]
    axes = add_axes(figure, second, 0, width, height)
    drawn = axes.imshow(values, vmin=0, vmax=255, cmap="viridis")
    bar = add_axes(figure, second + width + BAR_GAP_INCHES, 0, BAR_INCHES, height)
    figure.colorbar(drawn, cax=bar, label="brightness" if coloured else "value")
    line = fitting(title, TITLE_LENGTH, TITLE_WIDTH_INCHES, TITLE_SIZE)
    middle = (ROOM_INCHES + (second + width) / 2) / figure.get_figwidth()
    top = 1 - (ROOM_INCHES - TITLE_INCHES) / figure.get_figheight()
    figure.text(middle, top, line, fontsize=TITLE_SIZE, ha="center")
    return figure


@png_chart
def grid(labels: Sequence[str], images: Images, truth: Labels) -> Figure:
    """Some of the images uint8 [n, height, width, channels], each above its label."""
    chosen = evenly_spaced(len(truth), GRID_ROWS * GRID_COLUMNS)
    figure, axes, places = in_rows(GRID_COLUMNS, len(chosen), GRID_PANEL_INCHES, GRID_GAPS_INCHES)
    for i, place in zip(chosen, places, strict=True):
        panel = put_image(axes, place, images[i])
        write_below(axes, panel, shortened(labels[truth[i]], GRID_NAME_LENGTH))
    return figure
