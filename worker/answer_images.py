"""Answers to many images, with signs of life while they are computed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from shared.request import Progress
from worker.context import Context
from worker.runtime import CALL_IMAGES, Images, Probabilities, Runtime

STAGE = "evaluating"
#: Between two signs of life, a second or so: whole graph calls.
PIECE_IMAGES = 16 * CALL_IMAGES


def answer(context: Context, runtime: Runtime, parts: Sequence[Images]) -> Probabilities:
    """Probabilities float32 [n, classes] of the images uint8 [_, H, W, C] of all parts, n > 0.

    The parts may be larger than memory, where they are mapped from disk.

    Raises:
        Stopped: the request was cancelled, or is somebody else's now.
    """
    begun, done, total = time.monotonic(), 0, sum(map(len, parts))
    answers = []
    for images in _pieces(parts):
        answers.append(runtime.predict(images))
        done += len(images)
        rate = done / max(time.monotonic() - begun, 1e-9)
        context.report(
            Progress(STAGE, step=done, steps=total, rate=rate, left_s=(total - done) / rate)
        )
    return np.concatenate(answers)


def _pieces(parts: Sequence[Images]) -> Iterator[Images]:
    for images in parts:
        for start in range(0, len(images), PIECE_IMAGES):
            yield np.ascontiguousarray(images[start : start + PIECE_IMAGES])
