"""Labelled images: what training, calibration and evaluation pass to each other."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]  #: [n, height, width, channels], 0 to 255
Labels = npt.NDArray[np.int64]  #: [n], indices of the card's labels


class Examples(NamedTuple):
    """n images and their labels."""

    images: Images
    labels: Labels

    @classmethod
    def of(cls, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer]) -> Examples:
        """From images uint8 [n, H, W] or [n, H, W, C] and labels of any integer type [n]."""
        shape = images.shape if images.ndim == 4 else (*images.shape, 1)
        return cls(images.reshape(shape), labels.astype(np.int64))

    def where(self, mask: npt.NDArray[np.bool_]) -> Examples:
        """Those that the mask bool [n] selects, in their order."""
        return Examples(self.images[mask], self.labels[mask])

    def fingerprint(self) -> str:
        """sha256 over shape, images and labels, in their order."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8").data)
        return digest.hexdigest()
