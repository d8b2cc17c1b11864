"""`heads.npz` of a version of photos: for each of its looks a linear head, weights and bias."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from worker.runtimes.array_archive import DAMAGED, one_line
from worker.runtimes.runtime import Features, Logits


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

    No array is read before its form is known to be the expected one, so a hostile file takes no
    memory and no time.

    Raises:
        ValueError: with one line: the file is damaged, or has other arrays.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return [
                Head(
                    _array(file, f"weights_{number}", (width, classes)),
                    _array(file, f"bias_{number}", (classes,)),
                )
                for number, width in enumerate(features, 1)
            ]
    except DAMAGED as error:
        raise ValueError(one_line(error)) from error


def _array(file: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    with file.open(f"{name}.npy") as member:
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError(f"{name} has another format")
        form: tuple[Any, ...] = np.lib.format.read_array_header_1_0(member)
        if form != (shape, False, np.dtype("<f4")):
            raise ValueError(f"{name} is not float32 {list(shape)}")
        size = 4 * int(np.prod(shape))
        values = member.read(size)
        if len(values) != size or member.read(1):
            raise ValueError(f"{name} has another length")
    array = np.frombuffer(values, "<f4").reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite")
    return array
