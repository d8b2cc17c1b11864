"""The mistakes with the highest confidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from worker.datasets.examples import ImageRows, Labels
from worker.evaluation.metrics import most_confident_mistakes
from worker.plots.chart import png_chart
from worker.plots.pictures import in_rows, put_image, write_below
from worker.plots.plot_style import RIGHT, WRONG, shortened

ROWS, COLUMNS = 3, 5
PANEL_INCHES = 1.5
#: Between columns, and between rows: room for two lines.
GAPS_INCHES = (0.15, 0.52)
TITLE_INCHES, TITLE_SIZE = 0.3, 12
NAME_LENGTH = 17


@png_chart
def mistakes(
    labels: Sequence[str], images: ImageRows, truth: Labels, probabilities: npt.NDArray[np.floating]
) -> Figure:
    """Each image with its predicted label in red and its true label in blue."""
    every = most_confident_mistakes(probabilities, truth)
    total, wrong = len(every), every[: ROWS * COLUMNS]
    columns = min(COLUMNS, max(1, len(wrong)))
    figure, axes, places = in_rows(columns, len(wrong), PANEL_INCHES, GAPS_INCHES)
    title, middle = _title(total, len(truth), len(wrong)), sum(axes.get_xlim()) / 2
    axes.text(middle, -TITLE_INCHES, title, size=TITLE_SIZE, ha="center", va="center")
    for i, place in zip(wrong, places, strict=True):
        panel = put_image(axes, place, images[i])
        predicted = int(probabilities[i].argmax())
        caption = f"{shortened(labels[predicted], NAME_LENGTH)} {probabilities[i, predicted]:.0%}"
        write_below(axes, panel, caption, WRONG)
        write_below(axes, panel, f"is {shortened(labels[truth[i]], NAME_LENGTH)}", RIGHT, line=1)
    return figure


def _title(wrong: int, total: int, drawn: int) -> str:
    if not wrong:
        return f"None of {total:,} images was labelled wrongly"
    were = "was" if wrong == 1 else "were"
    choice = "" if drawn == wrong else f"; the {drawn} most confident"
    return f"{wrong:,} of {total:,} images {were} labelled wrongly{choice}:"
