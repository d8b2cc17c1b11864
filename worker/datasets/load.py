"""Loads data for training or evaluation: Fashion-MNIST, or a folder with a folder per class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.errors import SetupError
from shared.messages.model_card import PixelBounds, Preprocessing
from shared.messages.replies import DataReport
from shared.messages.training import FASHION_MNIST, FASHION_MNIST_TITLE
from worker.datasets import class_folder, fashion_mnist
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.examples import HELDOUT, TEST, TRAINING, Digests, Examples, hold_out

FASHION_SHAPE = (fashion_mnist.SIDE_PIXELS, fashion_mnist.SIDE_PIXELS, 1)


class DataSet(NamedTuple):
    """Training data. `test`, if present, is read once, after training."""

    name: str
    labels: tuple[str, ...]
    examples: Examples  #: to learn from
    test: Examples | None
    preprocessing: Preprocessing
    heldout: Examples  #: for selection and calibration
    pixel_bounds: PixelBounds | None = None
    heldout_files: Digests | None = None  #: SHA-256 of the files of `heldout`, where they are known


class Loaded(NamedTuple):
    """A data set and its report."""

    data: DataSet
    report: DataReport


def load(
    data: LabelledData,
    size: tuple[int, int, int] | None,
    spec: Preprocessing | None,
    scratch: Path,
    *,
    max_unreadable: float = 0.05,
    unlearned: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Loaded:
    """The images of these data, with their labels.

    For training, pass the recipe's image `size` (height, width, channels); for evaluation, the
    `spec` of a version's card, and `unlearned` if it has learned from none of a folder's images, so
    that all are held out or for the test. Folders are decoded into files in `scratch`; a second
    call with the same arguments reuses them. `on_progress(done, total)`, in files, may raise to
    stop.

    Raises:
        SetupError: the data are missing or insufficient; the message names the fix.
    """
    if data.where == FASHION_MNIST:
        if data.corrections:
            raise SetupError(f"{FASHION_MNIST_TITLE} has no files to correct; name a folder")
        return _fashion(spec)
    if spec is None:
        assert size is not None, "a recipe for other images than photos has a size"
        spec = Preprocessing(*size)
    stored, report = class_folder.store(
        data,
        spec,
        scratch,
        max_unreadable,
        on_progress,
        to_learn=size is not None,
        unlearned=unlearned,
    )
    dataset = DataSet(
        name=report.name,
        labels=report.labels,
        examples=stored.examples(TRAINING, report.shape),
        test=stored.examples(TEST, report.shape) if sum(report.test) else None,
        preprocessing=spec,
        heldout=stored.examples(HELDOUT, report.shape),
        heldout_files=stored.digests(HELDOUT),
    )
    return Loaded(dataset, report)


def _fashion(spec: Preprocessing | None) -> Loaded:
    spec = spec or fashion_mnist.PREPROCESSING
    if (spec.height, spec.width, spec.channels) != FASHION_SHAPE:
        raise SetupError(
            f"{FASHION_MNIST_TITLE} is grey, of 28x28 pixels, and this version takes "
            f"{spec.height}x{spec.width}x{spec.channels}; name an image folder with --data"
        )
    learn, held = hold_out(_examples("train", spec))
    test = _examples("test", spec)
    data = DataSet(
        FASHION_MNIST_TITLE,
        fashion_mnist.LABELS,
        learn,
        test,
        spec,
        held,
        fashion_mnist.PIXEL_BOUNDS,
    )
    return Loaded(
        data,
        DataReport(
            FASHION_MNIST_TITLE,
            FASHION_SHAPE,
            data.labels,
            training=_counts(learn),
            heldout=_counts(held),
            test=_counts(test),
        ),
    )


def _counts(examples: Examples) -> tuple[int, ...]:
    return tuple(np.bincount(examples.labels, minlength=len(fashion_mnist.LABELS)).tolist())


def _examples(split: fashion_mnist.Split, spec: Preprocessing) -> Examples:
    examples = Examples.from_arrays(*fashion_mnist.load(split))
    return Examples(~examples.images, examples.labels) if spec.invert else examples
