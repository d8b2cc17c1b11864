"""Images beside their probabilities: processes of the worker's package decode them, as for a page
(producer/pages/thumbnails.py), and draw them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing

from producer.pages.thumbnails import Thumbnails
from producer.predict.predictions import Prediction
from producer.present.formatting import one_line
from producer.present.style import Keep, shortened
from producer.processes.helper import Helper
from producer.sources.reader import FileReader
from shared.image_status import Status
from shared.pipes.prediction_plot import Drawn, Order
from shared.pipes.thumbnail import Thumbnail

NAME_LENGTH = 20
#: Larger images are reduced to this size, a little more than a panel has, and to these bytes.
SIDE_PIXELS, MAX_BYTES = 256, 100_000


def plot(paths: Sequence[bytes], predictions: Sequence[Prediction], labels: Sequence[str]) -> bytes:
    """A PNG file with each image and its probabilities.

    Raises:
        SetupError: the packages that decode images are missing, or a process does not start.
    """
    pairs = zip(_decoded(paths, predictions), predictions, strict=True)
    images = tuple(_drawn(made, prediction, labels) for made, prediction in pairs)
    with closing(Helper("worker.prediction_plot", bytes, "--plot cannot draw")) as helper:
        file: bytes | None = helper.ask(Order(tuple(labels), images))
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
