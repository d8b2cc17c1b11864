"""Measures what a version costs a worker's child: the speed of one core, and memory.

`python -m worker.inference.serving_cost` measures in a process of its own, whose memory nothing
else has used. It gets a version and some files, and returns a ServingCost.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec

from shared.errors import MISFITS
from shared.messages.model_card import Card, decode_card, encode_card
from worker.backbones.served_version import ServedVersion
from worker.inference.predictions import decode_batch
from worker.inference.resource_limits import used_bytes
from worker.runtimes.classifier import Classifier

log = logging.getLogger(__name__)
#: The fastest of these counts, as other work slows some of them down.
REPEATS = 3
MOST_S = 300.0


class ServingCost(msgspec.Struct, frozen=True):
    """0 where it was not measured."""

    images_per_s: float = 0.0
    memory_bytes: int = 0


class _Question(msgspec.Struct, frozen=True):
    card: bytes
    runtime: str
    artifact: bytes
    beside: tuple[bytes, ...]
    files: tuple[bytes, ...]


def measured(version: ServedVersion, files: Sequence[bytes]) -> ServingCost:
    """What decoding and classifying these image files costs."""
    card, runtime, artifact, beside = version
    asked = _Question(encode_card(card), runtime, artifact, beside, tuple(files))
    question = msgspec.msgpack.encode(asked)
    # Without the current folder, whose files could replace modules.
    command = [sys.executable, "-P", "-m", __name__]
    try:
        answer = subprocess.run(
            command, input=question, capture_output=True, check=True, timeout=MOST_S
        )
        return msgspec.msgpack.decode(answer.stdout, type=ServingCost)
    except (OSError, subprocess.SubprocessError, *MISFITS) as error:
        log.warning("the speed of %s was not measured: %s", card.recipe, error)
        return ServingCost()


def answer(question: bytes) -> bytes:
    """Measure here."""
    wanted = msgspec.msgpack.decode(question, type=_Question)
    card, before = decode_card(wanted.card), used_bytes()
    model = ServedVersion(card, wanted.runtime, wanted.artifact, wanted.beside).load()
    seconds = min(_seconds(card, model, wanted.files) for _ in range(REPEATS))
    cost = ServingCost(len(wanted.files) / seconds, max(0, used_bytes() - before))
    return msgspec.msgpack.encode(cost)


def _seconds(card: Card, model: Classifier, files: Sequence[bytes]) -> float:
    """Of a processor."""
    start = time.thread_time()
    model.predict(decode_batch(card, files).images)
    return max(time.thread_time() - start, 1e-9)


if __name__ == "__main__":
    sys.stdout.buffer.write(answer(sys.stdin.buffer.read()))
