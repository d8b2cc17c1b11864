"""The rows of a table as Arrow: typed columns, unrounded confidences, and the job with its model in
the metadata. pyarrow needs no NumPy for any of this.
"""

from __future__ import annotations

from array import array
from itertools import count
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from producer.formats.cells import heads, names, texts
from producer.rows.columns import Column, Decimals, Names, Table, Words
from producer.rows.row_batch import RowBatch
from shared.image_status import Status

WORD = pa.dictionary(pa.int32(), pa.string())


class ArrowRows:
    """Makes record batches of one table; all of them have the same dictionaries."""

    def __init__(self, table: Table) -> None:
        self._columns = table.columns
        fields = list(zip(heads(table.columns), map(_type, table.columns), strict=True))
        about = {"hangtag.job": table.job.id, "hangtag.model": table.card.ref}
        self.schema = pa.schema(fields).with_metadata(about)
        self._words = [
            _Dictionary(column) if isinstance(column, Words) else None for column in table.columns
        ]

    def batch(self, batch: RowBatch) -> Any:
        """The record batch of some rows."""
        failed = None
        if batch.failed:
            failed = pc.not_equal(_packed(pa.uint8(), batch.statuses), Status.OK.code)
        columns = [
            _values(column, words, batch, failed)
            for column, words in zip(self._columns, self._words, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _type(column: Column) -> Any:
    if isinstance(column, Names):
        return pa.string()
    return WORD if isinstance(column, Words) else pa.float32()


def _values(column: Column, words: _Dictionary | None, batch: RowBatch, failed: Any) -> Any:
    if words is not None:
        return words.values(batch)
    if isinstance(column, Decimals):
        values = _packed(pa.float32(), column.values(batch))
        return values if failed is None else pc.if_else(failed, None, values)
    return pa.array(names(batch), pa.string())


class _Dictionary:
    """The words of a column; an empty one is null."""

    def __init__(self, column: Words) -> None:
        self._column, known = column, texts(column)
        self._words = pa.array(filter(None, known), pa.string())
        numbers = count()
        #: By code.
        self._numbers = pa.array([next(numbers) if word else None for word in known], pa.int32())

    def values(self, batch: RowBatch) -> Any:
        """The column of a batch."""
        codes = self._column.codes(batch)
        if isinstance(codes, bytes | array):
            kind = pa.uint8() if isinstance(codes, bytes) else pa.uint16()
            indices = _packed(kind, codes)
        else:
            indices = pa.array(codes, pa.int32())
        return pa.DictionaryArray.from_arrays(self._numbers.take(indices), self._words)


def _packed(kind: Any, values: bytes | array[Any]) -> Any:
    """An array of what is packed already."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])
