"""Puts the results of rows that were repeated into those of their batches."""

from __future__ import annotations

from collections.abc import Sequence

from producer.rows.row_batch import RowBatch
from shared.messages.batch import KINDS, BatchResult


def fold(old: RowBatch, new: RowBatch, images: Sequence[tuple[int, int]]) -> BatchResult:
    """The result of `old` with rows of `new`: (index in `new`, index in `old`). Both have the same
    k."""
    columns = {
        name: replaced(
            old.result.column(name), new.result.column(name), images, old.result.width(name)
        )
        for name in KINDS
        if name != "digests"  # the journal has them beside the result
    }
    return BatchResult.of(old.k, columns)


def replaced(old: bytes, new: bytes, images: Sequence[tuple[int, int]], width: int) -> bytes:
    """`old` with the cells of `new`, `width` bytes each, at (index in `new`, index in `old`)."""
    cells = bytearray(old)
    for source, target in images:
        cells[target * width : (target + 1) * width] = new[source * width : (source + 1) * width]
    return bytes(cells)
