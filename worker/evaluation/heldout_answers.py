"""The logits of a version for its held-out images, stored beside its card.

What gave them did not learn from these images: the version itself, or for a version with folds the
network without the image's fold. Of an imported version that is unknown.

Accuracy, temperature, operating points and comparisons of versions are functions of this record.
Beside it are hashes of the pixels that the network got of all images that the version has seen,
which find copies in other files.
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
from worker.datasets.examples import Digests, Examples, Hashes, Labels, content_hashes
from worker.runtimes.array_archive import arrays

FILE = HELDOUT
#: Sorted hashes, uint64, little-endian.
LEARNED, HELD_OUT = "learned.hashes", "heldout.hashes"


class HeldoutAnswers(NamedTuple):
    """In the order of the held-out images, [n]; logits as served, before the temperature."""

    images: Hashes  #: of the pixels of the network's input
    labels: Labels
    logits: npt.NDArray[np.float32]  #: [n, classes]
    files: Digests | None = None  #: SHA-256 of the files; None if there are none


def recorded(
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


class SeenImages(NamedTuple):
    """The images of a version's training, and those of its selection and calibration."""

    learned: Hashes
    held_out: Hashes


def seen_files(learned: Hashes, held_out: Hashes) -> dict[str, bytes]:
    """The hashes of the pixels, in any order, as files of a version."""
    parts = {LEARNED: learned, HELD_OUT: held_out}
    return {name: np.unique(part).astype("<u8").tobytes() for name, part in parts.items()}


def read_seen(registry: Registry, card: Card) -> SeenImages | None:
    """The images that a version has seen; None if it has no hashes.

    Raises:
        SetupError: a file of the version is damaged or missing.
    """
    if not {LEARNED, HELD_OUT} <= card.files.keys():
        return None
    data = (registry.read(card, name) for name in (LEARNED, HELD_OUT))
    return SeenImages(*(np.frombuffer(packed[: len(packed) // 8 * 8], "<u8") for packed in data))


def count_seen(seen: SeenImages, parts: list[Examples]) -> tuple[int, int]:
    """The number of the images in these parts, one or more, that were learned from, and of others
    that were held out."""
    hashes = np.concatenate([content_hashes(part.images) for part in parts])
    learned = np.isin(hashes, seen.learned)
    return int(learned.sum()), int((np.isin(hashes, seen.held_out) & ~learned).sum())
