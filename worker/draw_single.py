"""One image with the range of its values: the first picture of the tutorial."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from worker.look import picture, shown

PANEL_INCHES = 4.0
TITLE_LENGTH = 60
#: What a grey value is made of (ITU-R BT.601), as Pillow converts to grey.
LUMA = np.array([0.299, 0.587, 0.114])


@picture
def single(image: npt.NDArray[np.uint8], title: str) -> Figure:
    """uint8 [height, width, channels] beside a bar of colours; of a photo also its brightness."""
    coloured = image.shape[-1] == 3
    figure = Figure((PANEL_INCHES * (2 if coloured else 1.2), PANEL_INCHES), layout="constrained")
    panels = figure.subplots(1, 1 + coloured, squeeze=False)[0]
    if coloured:
        panels[0].imshow(image)
    values = image @ LUMA if coloured else image[..., 0]
    drawn = panels[-1].imshow(values, vmin=0, vmax=255, cmap="viridis")
    figure.colorbar(drawn, ax=panels[-1], label="brightness" if coloured else "value")
    figure.suptitle(shown(title, TITLE_LENGTH), fontsize=12)
    return figure
