"""Giving memory back to the system once something large is no longer needed.

Measured over 40 swaps: LiteRT and TensorFlow free what a dropped version held, but the C library
keeps the pages. A child that took in eleven versions one after the other, two at a time, grew from
78 to 113 MB; with its pages given back at each swap it stayed at 79.
"""

from __future__ import annotations

import ctypes
import gc
from functools import cache
from typing import Any


def give_back() -> None:
    """Return what is free to the system. Takes milliseconds, so not for every batch."""
    gc.collect()  # a Keras model is full of cycles
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    """The function of glibc; None with another C library."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
