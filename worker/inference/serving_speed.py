"""Measures how fast one core decodes and classifies images with a version."""

from __future__ import annotations

import time
from collections.abc import Sequence

from shared.messages.model_card import Card
from worker.backbones.served_version import ServedVersion
from worker.inference.predictions import decode_batch
from worker.runtimes.classifier import Classifier

#: The fastest of these counts, as other work slows some of them down.
REPEATS = 3


def images_per_s(version: ServedVersion, files: Sequence[bytes]) -> float:
    """Images per second of this thread for these image files; 0 without any.

    Raises SetupError: the version cannot be loaded.
    """
    if not files:
        return 0.0
    model = version.load()
    return len(files) / min(_seconds(version.card, model, files) for _ in range(REPEATS))


def _seconds(card: Card, model: Classifier, files: Sequence[bytes]) -> float:
    """Of a processor."""
    start = time.thread_time()
    model.predict(decode_batch(card, files).images)
    return max(time.thread_time() - start, 1e-9)
