"""Parquet: typed columns of Arrow, unrounded confidences, job and model in the metadata.

pyarrow needs no NumPy for any of this. A row group is what is in memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from producer.job.columns import Column, Decimals, Names, Table, Words
from producer.job.row_batch import RowBatch
from producer.table.table_formats import Cell, Format, Unreadable
from producer.table.text_format import heads, names, texts
from shared.image_status import Status

WORD = pa.dictionary(pa.int32(), pa.string())
#: Rows in memory: with names of 100 bytes 13 MB.
GROUP_ROWS = 1 << 17
_READ_ROWS = 10_000


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


class Parquet(Format):
    """Compressed with zstd; names and numbers as they are, words as dictionaries."""

    number_spec = ".9g"  # exactly a float32
    _writer: Any = None

    def begin(self, table: Table) -> None:
        self._made = ArrowRows(table)
        schema = self._made.schema
        self._writer = pq.ParquetWriter(
            self._sink,
            schema,
            compression="zstd",
            use_dictionary=[field.name for field in schema if field.type == WORD],
            write_page_checksum=True,
        )
        self._batches: list[Any] = []
        self._rows = 0

    def write(self, batch: RowBatch) -> None:
        self._batches.append(self._made.batch(batch))
        self._rows += len(batch)
        if self._rows >= GROUP_ROWS:
            self._flush()

    def end(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()

    def close(self) -> None:
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
            self._writer.is_open = False  # else it writes when it is collected

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._batches), row_group_size=self._rows)
        self._batches, self._rows = [], 0

    @staticmethod
    def read(path: Path) -> Iterator[Sequence[Cell]]:
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                yield file.schema_arrow.names
                for batch in file.iter_batches(_READ_ROWS):
                    yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
        except Exception as error:  # pyarrow raises many kinds, OSError without a number too
            raise Unreadable(str(error)) from error
