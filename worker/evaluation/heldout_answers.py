"""The logits of a version for its held-out images, stored beside its card.

What gave them did not learn from these images: the version itself, or for a version with folds the
network without the image's fold. Of an imported version that is unknown.

Accuracy, temperature, operating points and comparisons of versions are functions of this record.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.registry.registry import Registry
from shared.runtimes import HELDOUT
from worker.datasets.examples import Digests, Examples, Labels
from worker.datasets.split import Hashes, content_hashes
from worker.runtimes.array_archive import arrays

FILE = HELDOUT


class HeldoutAnswers(NamedTuple):
    """In the order of the held-out images, [n]; logits as served, before the temperature."""

    images: Hashes  #: of the pixels of the network's input
    labels: Labels
    logits: npt.NDArray[np.float32]  #: [n, classes]
    files: Digests | None = None  #: SHA-256 of the files; None if there are none


def of(
    held: Examples, logits: npt.NDArray[np.float32], files: Digests | None = None
) -> HeldoutAnswers:
    """The record of these images."""
    return HeldoutAnswers(content_hashes(held.images), held.labels, logits, files)


def encode(answers: HeldoutAnswers) -> bytes:
    """The bytes of an `.npz` file."""
    file = io.BytesIO()
    digests = {} if answers.files is None else {"files": answers.files}
    np.savez(
        file,
        allow_pickle=False,
        images=answers.images.astype("<u8"),
        labels=answers.labels.astype("<i4"),
        logits=answers.logits.astype("<f4"),
        **digests,
    )
    return file.getvalue()


def read(registry: Registry, card: Card) -> HeldoutAnswers | None:
    """The record of a version; None if it has none.

    Raises:
        SetupError: the file is damaged or missing.
    """
    return decode(registry.read(card, FILE), card) if FILE in card.files else None


def decode(data: bytes, card: Card) -> HeldoutAnswers:
    """The inverse of `encode`; `card` is that of the version. Raises SetupError."""
    try:
        with arrays(data) as stored:
            return HeldoutAnswers(
                stored["images"],
                stored["labels"].astype(np.int64),
                stored["logits"],
                stored.get("files"),
            )
    except ValueError as error:
        raise SetupError(f"{FILE} of {card.ref} is damaged; publish it again") from error
