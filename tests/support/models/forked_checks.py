"""`python -m tests.support.models.forked_checks KIND SEED COUNT FILE`: checks of damaged files.

Each runs in a fork of one process, with the bounds of the product. Prints how many were refused,
passed or ended their process, and each other outcome.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from shared.messages.requests import NetworkForm
from tests.support.models.drawn_networks import LABELS
from worker.graphs import bounded_check, onnx_file, tflite_file
from worker.graphs.bounded_check import Question
from worker.runtimes import onnx_runtime, tflite_network

IMPORTED = (onnx_file, tflite_file, tflite_network, onnx_runtime)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Bytes changed, doubled, removed or exchanged, in some places."""
    content = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(content) or 1)
        size = chance.choice((1, 1, 4, 64))
        match chance.randrange(4):
            case 0:
                content[at : at + size] = chance.randbytes(size)
            case 1:
                content[at:at] = content[at : at + size]
            case 2:
                del content[at : at + size]
            case _:
                content[at : at + 1] = bytes([chance.choice((0, 1, 127, 128, 255))])
    return bytes(content)


def outcome(kind: Any, data: bytes) -> str:
    """What a fork makes of a file."""
    form = NetworkForm(LABELS, "-1-1" if kind == "tflite" else "0-1")
    question = msgspec.msgpack.encode(Question(kind, data, form))
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        os.close(reading)
        with os.fdopen(os.open(os.devnull, os.O_RDWR), "wb") as null:
            os.dup2(null.fileno(), 2)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(bounded_check.answer(question))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        return f"ended with {code}" if code > 0 else "killed"
    verdict: Any = msgspec.msgpack.decode(answer)
    if verdict["type"] == "refused":
        why = verdict["why"]
        return "refused" if why and why.isprintable() else f"no line: {why!r}"
    return "passed"


if __name__ == "__main__":
    kind, seed, count, file = sys.argv[1:]
    chance = random.Random(seed)
    original = Path(file).read_bytes()
    results = Counter(outcome(kind, damaged(original, chance)) for _ in range(int(count)))
    print(msgspec.json.encode(results).decode())
