"""Labelled images, as training, calibration and evaluation exchange them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

#: [n, height, width, channels], 0 to 255; in memory or memory-mapped.
Images = npt.NDArray[np.uint8]
DIGEST_BYTES = 32
Digests = npt.NDArray[np.uint8]  #: [n, DIGEST_BYTES], SHA-256 of files
Labels = npt.NDArray[np.int64]  #: [n], indices of the card's labels


class ImageRows(Protocol):
    """Images that are read one at a time: an array of them, or files that are decoded."""

    def __getitem__(self, number: int, /) -> npt.NDArray[np.uint8]: ...


#: Copied at once from a mapped file.
CHUNK_BYTES = 8 << 20


class Examples(NamedTuple):
    """n images and their labels."""

    images: Images
    labels: Labels

    @classmethod
    def of(cls, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer]) -> Examples:
        """Accepts images uint8 [n, H, W] or [n, H, W, C] and labels of any integer type [n]."""
        shape = images.shape if images.ndim == 4 else (*images.shape, 1)
        return cls(images.reshape(shape), labels.astype(np.int64))

    def where(self, mask: npt.NDArray[np.bool_]) -> Examples:
        """The examples selected by the mask bool [n], in order: a copy in memory."""
        return Examples(self.images[mask], self.labels[mask])

    def fingerprint(self) -> str:
        """sha256 over shape, images and labels, in this order."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        for chunk in chunks(self.images):
            digest.update(np.ascontiguousarray(chunk).data)
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8").data)
        return digest.hexdigest()


def chunks(images: Images) -> Iterator[Images]:
    """Images uint8 [n, ...] in parts of about `CHUNK_BYTES`, as views."""
    count = chunk_images(images.shape[1:])
    for start in range(0, len(images), count):
        yield images[start : start + count]


def chunk_images(shape: tuple[int, ...]) -> int:
    """The number of images of this shape in a chunk, at least one."""
    return max(1, CHUNK_BYTES // int(np.prod(shape, dtype=np.int64)))
