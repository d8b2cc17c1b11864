"""Reads the arrays of .npz and .npy files that may be damaged."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Arrays = Mapping[str, Any]
#: NumPy parses the header of an array as Python, before the checksum of its bytes is compared.
DAMAGED = (
    ValueError,
    TypeError,
    LookupError,
    OSError,
    EOFError,
    RuntimeError,  # encrypted, or compressed in a way that is not supported
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_REASON_MAX = 200


@contextmanager
def arrays(data: bytes) -> Iterator[Arrays]:
    """The arrays in `data` by name, each read when it is used; pickled ones are refused.

    Raises:
        ValueError: within the block, with one line: an array is missing or damaged.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            yield stored
    except DAMAGED as error:
        raise ValueError(one_line(error)) from error


def array(file: IO[bytes], name: str, shape: tuple[int, ...]) -> Array:
    """The float32 values of this shape that are all of `file`, in the form `.npy`.

    Nothing is read before the form is known to be this one.

    Raises:
        ValueError: with one line: it is damaged, or has another form.
    """
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name} has another format")
        form: tuple[Any, ...] = np.lib.format.read_array_header_1_0(file)
        if form != (shape, False, np.dtype("<f4")):
            raise ValueError(f"{name} is not float32 {list(shape)}")
        size = 4 * int(np.prod(shape))
        values = file.read(size)
        if len(values) != size or file.read(1):
            raise ValueError(f"{name} has another length")
    except DAMAGED as error:
        raise ValueError(one_line(error)) from error
    found = np.frombuffer(values, "<f4").reshape(shape)
    if not np.isfinite(found).all():
        raise ValueError(f"{name} has values that are not finite")
    return found


def one_line(error: Exception) -> str:
    """The reason that an exception states, shortened."""
    return " ".join(str(error).split())[:_REASON_MAX]
