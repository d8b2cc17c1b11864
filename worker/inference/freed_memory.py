"""When the C library returns memory that is free to the system."""

from __future__ import annotations

import ctypes
import gc
from functools import cache
from typing import Any

#: glibc's numbers of the two options.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
#: Free memory that a process keeps at most, and the largest block that is taken from it: a message,
#: its copies while it is received, and its pixels.
KEPT_BYTES, BLOCK_BYTES = 8 << 20, 4 << 20


def keep_memory() -> None:
    """Keep free memory for the next batch.

    Else each block of more than 128 KiB is new memory, whose pages the system clears when they are
    first used: 2.5 us each, 5 ms for a message of 2 MiB, a fourteenth of the time for its images.
    """
    if option := _function("mallopt"):
        option(_TRIM_THRESHOLD, KEPT_BYTES)
        option(_MMAP_THRESHOLD, BLOCK_BYTES)


def trim_memory() -> None:
    """Return free memory to the system. Takes milliseconds, so it is not done for every batch.

    Measured over 40 swaps: LiteRT and TensorFlow free the memory of a dropped version, but the C
    library does not return the pages. A child that loaded eleven versions in a row, two at a time,
    grew from 78 to 113 MB; with the pages returned at each swap it stayed at 79.
    """
    gc.collect()  # a Keras model is full of cycles
    if trim := _function("malloc_trim"):
        trim(0)


@cache
def _function(name: str) -> Any:
    """A function of glibc; None with another C library."""
    return getattr(ctypes.CDLL(None), name, None)
