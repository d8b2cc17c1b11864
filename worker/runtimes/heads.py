"""`heads.npz` of a version of photos: for each of its looks a linear head, weights and bias."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.runtimes.array_archive import DAMAGED, Array, array, one_line
from worker.runtimes.runtime import Features, Logits

#: Names and headers of the arrays: less than 1 KiB each.
_MEMBERS_BYTES = 64 << 10


class Head(NamedTuple):
    """Logits are `features @ weights + bias`: the standardization is part of both."""

    weights: npt.NDArray[np.float32]  #: [features, classes]
    bias: npt.NDArray[np.float32]  #: [classes]

    def logits(self, features: Features) -> Logits:
        """float32 [n, classes] of features [n, features]; the last bits depend on n and BLAS."""
        logits: Logits = features @ self.weights + self.bias
        return logits

    def served_logits(self, features: Features) -> Logits:
        """The same, with equal bits in batches of any size and on any number of cores: BLAS shares
        the sums among its threads."""
        rows = [np.einsum("f,fc->c", row, self.weights) for row in features]
        logits: Logits = np.reshape(rows, (len(rows), len(self.bias))) + self.bias
        return logits


def encode(heads: Sequence[Head]) -> bytes:
    """The bytes of the file."""
    file = io.BytesIO()
    arrays: dict[str, npt.NDArray[np.float32]] = {}
    for number, head in enumerate(heads, 1):
        arrays |= {f"weights_{number}": head.weights, f"bias_{number}": head.bias}
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def decode(data: bytes, features: Sequence[int], classes: int) -> list[Head]:
    """The heads in `data`, one for each of these numbers of features.

    Nothing is read of a file that is too large, and no array before its form is known to be the
    expected one, so a hostile file takes no memory and no time.

    Raises:
        ValueError: with one line: the file is damaged, or has other arrays.
    """
    if len(data) > 4 * classes * sum(width + 1 for width in features) + _MEMBERS_BYTES:
        raise ValueError("it is larger than the heads of the card")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return [
                Head(
                    _member(file, f"weights_{number}", (width, classes)),
                    _member(file, f"bias_{number}", (classes,)),
                )
                for number, width in enumerate(features, 1)
            ]
    except DAMAGED as error:
        raise ValueError(one_line(error)) from error


def _member(file: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> Array:
    with file.open(f"{name}.npy") as member:
        return array(member, name, shape)
