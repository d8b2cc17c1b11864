"""What every form of a table implements; `table_formats.py` lists them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from producer.formats.cells import Cell
from producer.rows.columns import Table
from producer.rows.row_batch import RowBatch


class Sink(Protocol):
    """Where a form writes: it only ever appends."""

    def write(self, data: bytes, /) -> int:
        """Append all of the bytes."""

    def flush(self) -> None:
        """Nothing has to be on disk yet."""


class Unreadable(Exception):
    """A file is not of this form, from some place on."""


class Format(ABC):
    """Writes the rows of one table in order: `begin`, `write` for each batch, `end`."""

    #: The format in which numbers are compared with those that a file has.
    number_spec = ".4f"

    def __init__(self, sink: Sink, folder: Path | None = None) -> None:
        """`folder` is for what a form must store before it can write it, and does not exist yet;
        None: a temporary one."""
        self._sink, self._folder = sink, folder

    @abstractmethod
    def begin(self, table: Table) -> None:
        """Start the file of a table."""

    @abstractmethod
    def write(self, batch: RowBatch) -> None:
        """Append rows."""

    @abstractmethod
    def end(self) -> None:
        """Complete the file."""

    def close(self) -> None:  # noqa: B027  most forms hold nothing
        """Release what the form holds, also of a file that was not completed."""

    @staticmethod
    @abstractmethod
    def read(path: Path) -> Iterator[Sequence[Cell]]:
        """The names of a file's columns, then the cells of each row.

        Raises:
            Unreadable: it is damaged, or has another form.
            OSError: it cannot be read.
        """

    @classmethod
    def text(cls, cell: Cell) -> str:
        """A cell as text, to compare it."""
        if cell is None:
            return ""
        if isinstance(cell, int | float):
            return format(cell, cls.number_spec)
        return str(cell)  # of a changed file it may be anything
