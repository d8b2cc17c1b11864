"""Puts the results of rows that were repeated into those of their batches."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from producer.rows.batch import RowBatch
from shared.messages.batch import BatchResult


def fold(old: RowBatch, new: RowBatch, images: Sequence[tuple[int, int]]) -> BatchResult:
    """The result of `old` with rows of `new`: (index in `new`, index in `old`). Both have the same
    k."""
    folded = BatchResult(
        old.k,
        replaced(old.statuses, new.statuses, images, 1),
        replaced(old.result.indices, new.result.indices, images, 2 * old.k),
        replaced(old.result.probabilities, new.result.probabilities, images, 4 * old.k),
        replaced(old.flags, new.flags, images, 1),
    )
    # Without a flag the field is empty: the bytes are the same as those of a first result.
    return folded if any(folded.flags) else msgspec.structs.replace(folded, flags=b"")


def replaced(old: bytes, new: bytes, images: Sequence[tuple[int, int]], width: int) -> bytes:
    """`old` with the cells of `new`, `width` bytes each, at (index in `new`, index in `old`)."""
    cells = bytearray(old)
    for source, target in images:
        cells[target * width : (target + 1) * width] = new[source * width : (source + 1) * width]
    return bytes(cells)
