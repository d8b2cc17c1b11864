"""Parquet: the rows as Arrow has them (arrow_rows.py). A row group is what is in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from producer.formats.arrow_rows import WORD, ArrowRows
from producer.formats.cells import Cell
from producer.formats.format import Format, Sink, Unreadable
from producer.rows.columns import Table
from producer.rows.row_batch import RowBatch

#: Rows in memory: with names of 100 bytes 13 MB.
GROUP_ROWS = 1 << 17
_READ_ROWS = 10_000


class Parquet(Format):
    """Compressed with zstd; names and numbers as they are, words as dictionaries."""

    number_spec = ".9g"  # exactly a float32
    _writer: Any = None

    def begin(self, table: Table) -> None:
        self._made = ArrowRows(table)
        schema = self._made.schema
        self._writer = pq.ParquetWriter(
            _SinkFile(self._sink),
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


class _SinkFile:
    """A sink as a file that pyarrow writes."""

    closed = False

    def __init__(self, sink: Sink) -> None:
        self._sink, self._at = sink, 0

    def write(self, data: Any) -> int:
        self._at += len(data)
        return self._sink.write(bytes(data))

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """The sink is synced as a whole."""

    def close(self) -> None:
        """It is not this file's to close."""
