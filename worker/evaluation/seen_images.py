"""The images that a version has seen: hashes of their pixels, stored beside its card.

The pixels are those of the network's input, which finds copies in other files.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from shared.messages.model_card import Card
from shared.registry.registry import Registry
from worker.datasets.examples import Examples
from worker.datasets.split import Hashes, content_hashes

#: Sorted hashes, uint64, little-endian.
LEARNED, HELD_OUT = "learned.hashes", "heldout.hashes"


class SeenImages(NamedTuple):
    """The images of a version's training, and those of its selection and calibration."""

    learned: Hashes
    held_out: Hashes


def files(learn: Examples, held: Examples) -> dict[str, bytes]:
    """The hashes as files of a version."""
    return files_of(content_hashes(learn.images), content_hashes(held.images))


def files_of(learned: Hashes, held_out: Hashes) -> dict[str, bytes]:
    """The same from hashes of the pixels, in any order."""
    parts = {LEARNED: learned, HELD_OUT: held_out}
    return {name: np.unique(part).astype("<u8").tobytes() for name, part in parts.items()}


def read(registry: Registry, card: Card) -> SeenImages | None:
    """The images that a version has seen; None if it has no hashes.

    Raises:
        SetupError: a file of the version is damaged or missing.
    """
    if not {LEARNED, HELD_OUT} <= card.files.keys():
        return None
    data = (registry.read(card, name) for name in (LEARNED, HELD_OUT))
    return SeenImages(*(np.frombuffer(packed[: len(packed) // 8 * 8], "<u8") for packed in data))


def count(seen: SeenImages, parts: list[Examples]) -> tuple[int, int]:
    """The number of these images that were learned from, and of others that were held out."""
    if not parts:
        return 0, 0
    hashes = np.concatenate([content_hashes(part.images) for part in parts])
    learned = np.isin(hashes, seen.learned)
    return int(learned.sum()), int((np.isin(hashes, seen.held_out) & ~learned).sum())
