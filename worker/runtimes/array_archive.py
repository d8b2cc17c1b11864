"""Reads the arrays of an .npz file that may be damaged."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

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


def one_line(error: Exception) -> str:
    """The reason that an exception states, shortened."""
    return " ".join(str(error).split())[:_REASON_MAX]
