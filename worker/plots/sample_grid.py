"""The first two plots of the tutorial: one image with its values, and twenty-five images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from worker.datasets.examples import Images, Labels
from worker.plots.panels import draw_image, empty_page, in_rows, write_below
from worker.plots.plot_style import png_plot, shortened, some

PANEL_INCHES = 4.0
TITLE_LENGTH = 60
#: Weights of red, green and blue in a grey value (ITU-R BT.601), as in Pillow.
LUMA = np.array([0.299, 0.587, 0.114])
#: The grid's rows and columns.
ROWS = COLUMNS = 5
GRID_PANEL_INCHES = 1.4
GRID_GAPS_INCHES = (0.14, 0.28)
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
    chosen = some(truth, ROWS * COLUMNS)
    places = in_rows(COLUMNS, len(chosen), GRID_PANEL_INCHES, GRID_GAPS_INCHES)
    figure, axes = empty_page(places)
    for i, place in zip(chosen, places, strict=True):
        panel = draw_image(axes, place, images[i])
        write_below(axes, panel, shortened(labels[truth[i]], NAME_LENGTH))
    return figure
