"""The plots of an evaluation, as PNG files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from worker.datasets.examples import ImageRows, Labels
from worker.evaluation.metrics import confusion
from worker.evaluation.reliability import reliability
from worker.plots.confusion import confusion_matrix
from worker.plots.curves import Line, curves
from worker.plots.mistakes import mistakes
from worker.plots.prediction_sheet import sheet
from worker.plots.reliability_diagram import reliability_diagram

CURVES = "curves.png"


def plots(
    labels: Sequence[str],
    history: Sequence[Line],
    images: ImageRows,
    truth: Labels,
    probabilities: npt.NDArray[np.floating],
) -> dict[str, bytes]:
    """Files by name. Without a history (an imported version) there are no curves.

    Of n > 0 evaluated images: images uint8 [n, height, width, channels], truth int64 [n],
    probabilities [n, classes].
    """
    drawn = {CURVES: curves(history)} if history else {}
    return drawn | {
        "confusion.png": confusion_matrix(labels, confusion(probabilities, truth, len(labels))),
        "reliability.png": reliability_diagram(reliability(probabilities, truth)),
        "samples.png": sheet(labels, images, truth, probabilities),
        "mistakes.png": mistakes(labels, images, truth, probabilities),
    }
