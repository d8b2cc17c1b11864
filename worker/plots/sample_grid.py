"""The first two plots of the tutorial: one image with its values, and twenty-five images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from worker.datasets.examples import Images, Labels
from worker.plots.chart import ROOM_INCHES, add_axes, empty, fitting, png_chart
from worker.plots.pictures import in_rows, put_image, write_below
from worker.plots.plot_style import shortened, some

#: The longer side of an image, between two, and of the bar beside them.
PANEL_INCHES, GAP_INCHES = 3.2, 0.6
BAR_INCHES, BAR_GAP_INCHES = 0.16, 0.16
TITLE_LENGTH, TITLE_WIDTH_INCHES, TITLE_INCHES, TITLE_SIZE = 60, 10.0, 0.15, 12
#: Weights of red, green and blue in a grey value (ITU-R BT.601), as in Pillow.
LUMA = np.array([0.299, 0.587, 0.114])
#: The grid's rows and columns.
ROWS = COLUMNS = 5
GRID_PANEL_INCHES = 1.4
GRID_GAPS_INCHES = (0.14, 0.28)
NAME_LENGTH = 23


@png_chart
def single(image: npt.NDArray[np.uint8], title: str) -> Figure:
    """uint8 [height, width, channels] beside a colour bar; for a photo also its brightness."""
    coloured = image.shape[-1] == 3
    height, width = (PANEL_INCHES * side / max(image.shape[:2]) for side in image.shape[:2])
    second = (width + GAP_INCHES) * coloured
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
    chosen = some(truth, ROWS * COLUMNS)
    figure, axes, places = in_rows(COLUMNS, len(chosen), GRID_PANEL_INCHES, GRID_GAPS_INCHES)
    for i, place in zip(chosen, places, strict=True):
        panel = put_image(axes, place, images[i])
        write_below(axes, panel, shortened(labels[truth[i]], NAME_LENGTH))
    return figure
