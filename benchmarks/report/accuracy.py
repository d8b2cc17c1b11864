"""Accuracy and calibration error of a table, whose folders name the labels."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple


class Accuracy(NamedTuple):
    """Both between 0 and 1."""

    accuracy: float
    ece: float  #: expected calibration error


def accuracy(table: Path) -> Accuracy:
    """Compare the labels and confidences of a table with its folders."""
    import numpy as np

    from worker.evaluation.reliability import calibration_error

    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    right = np.array([_folder(row["label"]) == Path(row["path"]).parent.name for row in rows])
    confidence = np.array([float(row["confidence"]) for row in rows])
    # Two classes are enough: the predicted label is the first, and the true one if it is right.
    probabilities = np.stack([confidence, np.zeros_like(confidence)], axis=1)
    error = calibration_error(probabilities, np.where(right, 0, 1))
    return Accuracy(float(right.mean()), error)


def _folder(label: str) -> str:
    """A folder cannot be named `T-shirt/top`."""
    return label.replace("/", "_")
