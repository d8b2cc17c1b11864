"""`celery -A tests.faults.poison_app worker`: the product's workers, in which some files are
poison. There is no switch for it in the product: the decoder is replaced from here."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.card import Preprocessing
from worker import decode
from worker.app import app

#: What a poisonous file holds, by what it does to the process that decodes it.
CRASH = b"poison: segmentation fault"
HANG = b"poison: endless loop"
RAISE = b"poison: an exception that no decoder should raise"

_decode_into: Any = decode.decode_into


def _poisoned(data: bytes, spec: Preprocessing, out: NDArray[np.uint8]) -> Any:
    if data == CRASH:
        os.kill(os.getpid(), signal.SIGSEGV)
    while data == HANG:
        time.sleep(1)
    if data == RAISE:
        raise RuntimeError("poison")
    return _decode_into(data, spec, out)


decode.decode_into = _poisoned

__all__ = ["app"]
