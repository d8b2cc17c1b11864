"""Batches of made-up results, for what is computed from a journal."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from producer.job.row_batch import RowBatch
from shared.image_status import BY_CODE, FLAGS
from shared.messages.batch import BatchResult
from shared.messages.files import STAMP


class Answer(NamedTuple):
    """One row: a path, a status code, a flag code, labels and confidences."""

    name: bytes
    status: int
    flag: int
    labels: tuple[int, ...]
    confidences: tuple[float, ...]


def answers(
    seed: int, count: int, labels: Sequence[str], k: int = 1, truths: Sequence[str] = ()
) -> list[Answer]:
    """Some rows fail, some are flagged; the folder is one of `truths`, or `other`."""
    chance = random.Random(seed)
    folders = sorted(chance.choice([*truths, "other"]) for _ in range(count))
    return [
        _answer(chance, f"in/{folder}/{i:06}.png".encode(), len(labels), k)
        for i, folder in enumerate(folders)
    ]


def _answer(chance: random.Random, name: bytes, labels: int, k: int) -> Answer:
    status = chance.choice([0] * 20 + list(range(len(BY_CODE))))
    flag = 0 if status else chance.choice([0] * 20 + list(range(len(FLAGS))))
    found = chance.sample(range(labels), k) if not status else [0] * k
    values = sorted((_single(chance.random()) for _ in range(k)), reverse=True)
    return Answer(name, status, flag, tuple(found), tuple(values if not status else [0.0] * k))


def _single(value: float) -> float:
    """As precise as a result stores it."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def batches(rows: Sequence[Answer], size: int) -> Iterator[RowBatch]:
    """The rows as batches of a journal, without digests of files."""
    for at in range(0, len(rows), size):
        some = rows[at : at + size]
        k = len(some[0].labels)
        labels = [label for row in some for label in row.labels]
        values = [value for row in some for value in row.confidences]
        flags = bytes(row.flag for row in some)
        result = BatchResult(
            k,
            bytes(row.status for row in some),
            struct.pack(f"<{len(labels)}H", *labels),
            struct.pack(f"<{len(values)}f", *values),
            flags if any(flags) else b"",
        )
        names, stamps = b"\0".join(row.name for row in some), STAMP.pack(1, 1) * len(some)
        yield RowBatch(names, result, first=at + 1, stamps=stamps)
