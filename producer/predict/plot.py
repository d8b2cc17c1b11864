"""`hangtag predict --plot`: images beside their probabilities. Processes of the worker's package
decode them, as for a page (producer/pages/thumbnails.py), and draw them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from producer.machine.helper import PACKAGES, Helper
from producer.pages.thumbnails import Thumbnails
from producer.predict.predictions import Prediction, Predictions
from producer.present.formatting import one_line
from producer.present.style import Keep, shortened
from producer.sources.reader import FileReader
from producer.table.output_path import check_plot, write_file
from shared import installation
from shared.errors import SetupError, UsageError
from shared.image_status import Status
from shared.messages.helpers import Drawn, PlotOrder, Thumbnail

NAME_LENGTH = 20
#: Larger images are reduced to this size, a little more than a panel has, and to these bytes.
SIDE_PIXELS, MAX_BYTES = 256, 100_000
#: A plot of more images would be several metres high.
MAX_DRAWN = 60


def plot(paths: Sequence[bytes], predictions: Sequence[Prediction], labels: Sequence[str]) -> bytes:
    """A PNG file with each image and its probabilities.

    Raises:
        SetupError: the packages that decode images are missing, or a process does not start.
    """
    pairs = zip(_decoded(paths, predictions), predictions, strict=True)
    images = tuple(_drawn(made, prediction, labels) for made, prediction in pairs)
    with closing(Helper("worker.helpers.prediction_plot", bytes, "--plot cannot draw")) as helper:
        file: bytes | None = helper.ask(PlotOrder(tuple(labels), images))
        if file is None:
            raise helper.ended()
    return file


def _decoded(paths: Sequence[bytes], predictions: Sequence[Prediction]) -> list[Thumbnail]:
    """The image of each prediction, upright and reduced; or why there is none."""
    with Thumbnails(processes=1) as thumbnails:  # a start takes as long as ten images
        files = FileReader(os.getcwdb())

        def made(path: bytes, found: Prediction) -> Thumbnail:
            if found.status is not Status.OK:
                return Thumbnail(why=found.error)
            data, _ = files.read(path)
            if isinstance(data, Status):
                return Thumbnail(why=data.sentence)
            return thumbnails.make(data, SIDE_PIXELS, MAX_BYTES)

        return list(thumbnails.map(lambda pair: made(*pair), zip(paths, predictions, strict=True)))


def _drawn(made: Thumbnail, prediction: Prediction, labels: Sequence[str]) -> Drawn:
    title = os.path.basename(prediction.path)
    if prediction.status is not Status.OK:
        return Drawn(title, made.webp, made.why)
    return Drawn(
        title,
        made.webp,
        made.why,
        _caption(prediction),
        tuple(prediction.probabilities[label] for label in labels),
        labels.index(prediction.truth) if prediction.truth else None,
    )


def _caption(prediction: Prediction) -> str:
    predicted = f"{_shortened(prediction.label)} {prediction.confidence:.0%}"
    true = f"({_shortened(prediction.truth)})" if prediction.truth else ""
    return "\n".join(line for line in (predicted, true, prediction.flag) if line)


def _shortened(label: str) -> str:
    return shortened(one_line(label), NAME_LENGTH, Keep.ENDS, len)


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
    if any(_is_same_file(path, image) for image in images):
        raise UsageError("--plot would overwrite an input image; choose another name")


def _is_same_file(path: Path, image: bytes) -> bool:
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
    _check_inputs(path, predictions.paths)
    write_file(path, plot(predictions.paths, predictions.images, predictions.labels))
