"""`hangtag predict --plot`: the predictions as a plot in a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from producer.output.output_path import check_plot, write_plot
from producer.predict.predictions import Predictions
from producer.processes.helper import PACKAGES
from shared import installation
from shared.errors import SetupError, UsageError

#: A plot of more images would be several metres high.
MAX_DRAWN = 60


def check(path: Path, force: bool, images: Sequence[bytes]) -> None:
    """Check the options before the images are classified.

    Raises:
        UsageError: too many images, the file is one of them, or as `check_plot`.
        SetupError: a package that draws is not installed.
    """
    check_plot(path, force)
    _check_inputs(path, images)
    if len(images) > MAX_DRAWN:
        raise UsageError(f"--plot draws at most {MAX_DRAWN} images; give fewer")
    needed = PACKAGES | installation.DRAW_PACKAGES
    if lack := installation.missing(needed, "all"):
        raise SetupError(f"--plot cannot draw: {lack}")


def _check_inputs(path: Path, images: Sequence[bytes]) -> None:
    if any(_same(path, image) for image in images):
        raise UsageError("--plot would overwrite an input image; choose another name")


def _same(path: Path, image: bytes) -> bool:
    try:
        return os.path.samefile(path, image)
    except (OSError, ValueError):  # one of them does not exist
        return False


def draw(path: Path, predictions: Predictions) -> None:
    """Draw each image beside its probabilities.

    Raises:
        UsageError: the file is one of the images, which was typed by another path.
        SetupError: the disk is full, or no process starts that decodes or draws images.
    """
    from producer.predict.plot import plot

    _check_inputs(path, predictions.paths)
    write_plot(path, plot(predictions.paths, predictions.images, predictions.labels))
