"""`celery -A tests.faults.apps.poison_worker worker`: workers whose decoder some files crash, with
armed points.

The product has no switch for it: this module replaces the decoder.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.messages.model_card import Preprocessing
from tests.support.failpoints import armed
from worker.app import app
from worker.decoding import decode

#: The content of a poison file, by its effect on the process that decodes it.
CRASH = b"poison: segmentation fault"
HANG = b"poison: endless loop"
ALLOCATE = b"poison: memory without end, until it is refused"
ABORT = b"poison: memory without end, and an abort when it is refused"
DEVOUR = b"poison: memory until the kernel ends the process"
RAISE = b"poison: an exception that no decoder should raise"

_CHUNK_BYTES = 64 << 20
_MAX_CHUNKS = 40  #: 2.5 GiB
_decode_by_format: Any = decode.decode_by_format


def _poisoned(data: bytes, spec: Preprocessing, out: NDArray[np.uint8]) -> Any:
    if data == CRASH:
        os.kill(os.getpid(), signal.SIGSEGV)
    if data in (ALLOCATE, ABORT):
        _allocate(data == ABORT)
    if data == DEVOUR:
        _devour()
    while data == HANG:
        time.sleep(1)
    if data == RAISE:
        raise RuntimeError("poison")
    return _decode_by_format(data, spec, out)


def _allocate(abort: bool) -> None:
    """Allocate like a decoder that trusts a header; `abort` like a C library without memory."""
    taken: list[bytearray] = []
    try:
        while len(taken) < _MAX_CHUNKS:
            taken.append(bytearray(_CHUNK_BYTES))
    except MemoryError:
        if abort:
            os.abort()
        raise
    os._exit(9)  # no limit applied: the test must fail before the machine runs out of memory


def _devour() -> None:
    """Allocate, then die by SIGKILL like a victim of the kernel's OOM killer."""
    taken = np.ones(_CHUNK_BYTES, np.uint8)
    assert taken.all()
    os.kill(os.getpid(), signal.SIGKILL)


decode.decode_by_format = _poisoned
armed.watch()

__all__ = ["app"]
