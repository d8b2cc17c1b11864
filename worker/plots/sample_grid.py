"""The first two plots of the tutorial: one image with its values, and twenty-five images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from worker.datasets.examples import Images, Labels
from worker.plots.style import draw_image, png_plot, shortened, some

PANEL_INCHES = 4.0
TITLE_LENGTH = 60
#: Weights of red, green and blue in a grey value (ITU-R BT.601), as in Pillow.
LUMA = np.array([0.299, 0.587, 0.114])
#: Of the grid.
ROWS = COLUMNS = 5
GRID_PANEL_INCHES = 1.6
NAME_LENGTH = 23


@png_plot
def single(image: npt.NDArray[np.uint8], title: str) -> Figure:
    """uint8 [height, width, channels] beside a colour bar; for a photo also its brightness."""
    coloured = image.shape[-1] == 3
    figure = Figure((PANEL_INCHES * (2 if coloured else 1.2), PANEL_INCHES), layout="constrained")
    panels = figure.subplots(1, 1 + coloured, squeeze=False)[0]
    if coloured:
        panels[0].imshow(image)
    values = image @ LUMA if coloured else image[..., 0]
    drawn = panels[-1].imshow(values, vmin=0, vmax=255, cmap="viridis")
    figure.colorbar(drawn, ax=panels[-1], label="brightness" if coloured else "value")
    figure.suptitle(shortened(title, TITLE_LENGTH), fontsize=12)
    return figure


@png_plot
def grid(labels: Sequence[str], images: Images, truth: Labels) -> Figure:
    """Some of the images uint8 [n, height, width, channels], each above its label."""
    figure = Figure((COLUMNS * GRID_PANEL_INCHES, ROWS * GRID_PANEL_INCHES))
    figure.subplots_adjust(left=0.0, right=1.0, top=1.0, bottom=0.0, hspace=0.2, wspace=0.1)
    for place, i in enumerate(some(truth, ROWS * COLUMNS)):
        axes = figure.add_subplot(ROWS, COLUMNS, place + 1)
        draw_image(axes, images[i])
        axes.set_xlabel(shortened(labels[truth[i]], NAME_LENGTH), fontsize=9)
    return figure
