"""Compares a table with another one, and with its folders, which name the labels."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import NamedTuple

SAME = "the same bytes"


class Accuracy(NamedTuple):
    """Both between 0 and 1."""

    accuracy: float
    ece: float  #: expected calibration error


def differences(table: Path, reference: Path) -> str:
    """A short description of two tables' differences; SAME if there are none."""
    if table.read_bytes() == reference.read_bytes():
        return SAME
    mine, theirs = labels(table), labels(reference)
    if alone := len(mine.keys() ^ theirs.keys()):
        return f"{alone:,} images are in one of both tables only"
    other = sum(theirs[path] != label for path, label in mine.items())
    return f"{other:,} of {len(mine):,} labels differ"


def labels(table: Path) -> dict[str, str]:
    """The label of each image, by its path below the folder that has all of them."""
    with table.open(newline="", encoding="utf-8") as file:
        found = {row["path"]: row["label"] for row in csv.DictReader(file)}
    root = os.path.commonpath(found)
    return {os.path.relpath(path, root): label for path, label in found.items()}


def accuracy(table: Path) -> Accuracy:
    """Compare the labels and confidences of a table with its folders."""
    import numpy as np

    from worker.evaluation.metrics import reliability

    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    right = np.array([_folder(row["label"]) == Path(row["path"]).parent.name for row in rows])
    confidence = np.array([float(row["confidence"]) for row in rows])
    # Two classes are enough: the predicted label is the first, and the true one if it is right.
    probabilities = np.stack([confidence, np.zeros_like(confidence)], axis=1)
    error = reliability(probabilities, np.where(right, 0, 1)).error
    return Accuracy(float(right.mean()), error)


def _folder(label: str) -> str:
    """A folder cannot be named `T-shirt/top`."""
    return label.replace("/", "_")
