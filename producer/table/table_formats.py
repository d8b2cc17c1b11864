"""The formats of a table: a row for each, by name. A table has the same rows and cells in all.

A **form** is the name of a format, as jobs store it.
"""

from __future__ import annotations

import hashlib
import os
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from producer.present.formatting import near, typed
from shared import installation
from shared.errors import SetupError, UsageError

if TYPE_CHECKING:
    from producer.job.columns import Table
    from producer.job.row_batch import RowBatch

CSV = "csv"
#: None: it is empty.
Cell = str | float | None
#: What is proposed where another form has no room.
ROOMY = ".parquet"
_ENDLESS = 1 << 62


class Sink:
    """A file that a form writes, and its digest. A form only ever appends."""

    closed = False

    def __init__(self, append: Callable[[bytes], object] = lambda data: None) -> None:
        """`append` gets all bytes in order; without it they are only digested."""
        self._append, self._size, self.sha256 = append, 0, hashlib.sha256()

    def write(self, data: bytes, /) -> int:
        """Append bytes, or a buffer of Arrow."""
        self.sha256.update(data)
        self._append(bytes(data))
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        """The number of bytes so far."""
        return self._size

    def flush(self) -> None:
        """The caller syncs the file as a whole."""

    def close(self) -> None:
        """The caller closes the file."""


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


class FormatRow(NamedTuple):
    """A format, of which nothing is imported until it is needed."""

    name: str  #: its first suffix, without the dot
    suffixes: Sequence[str]
    kind: str  #: its module and class
    #: Import names and pip's names of what it needs, which an extra of Hangtag installs.
    packages: Mapping[str, str] = {}
    extra: str = ""
    is_text: bool = True
    rows_max: int = _ENDLESS
    columns_max: int = _ENDLESS


_ROWS = (
    FormatRow(CSV, (".csv",), "producer.table.text_format:Csv"),
    FormatRow("tsv", (".tsv",), "producer.table.text_format:Tsv"),
    FormatRow("jsonl", (".jsonl", ".ndjson"), "producer.table.text_format:JsonLines"),
    FormatRow("json", (".json",), "producer.table.text_format:Json"),
    FormatRow(
        "xlsx",
        (".xlsx",),
        "producer.table.xlsx:Xlsx",
        {"xlsxwriter": "xlsxwriter", "openpyxl": "openpyxl"},
        "xlsx",
        is_text=False,
        rows_max=(1 << 20) - 1,  # and the header
        columns_max=1 << 14,
    ),
    FormatRow(
        "parquet",
        (".parquet",),
        "producer.table.parquet:Parquet",
        {"pyarrow": "pyarrow"},
        "parquet",
        is_text=False,
    ),
)
FORMATS = {form.name: form for form in _ROWS}
#: For a help text.
SUFFIXES = " ".join(form.suffixes[0] for form in _ROWS)
BY_SUFFIX = {suffix: form for form in _ROWS for suffix in form.suffixes}


def format_of(path: str) -> str:
    """The form that a file's name ends in; CSV for any other name."""
    form = BY_SUFFIX.get(os.path.splitext(path)[1].lower())
    return CSV if form is None else form.name


def row_of(form: str) -> FormatRow:
    """A format by its name. Raises SetupError for one that only a newer Hangtag has."""
    if form not in FORMATS:
        raise SetupError(f"this Hangtag has no form {form!r:.40} of a table; update it")
    return FORMATS[form]


def check_installed(form: str) -> None:
    """Raise SetupError if a form needs what is not installed."""
    row = row_of(form)
    if lack := installation.missing(row.packages, row.extra):
        raise SetupError(f"a table in the form {form}: {lack}")


def check_columns(form: str, table: Table) -> None:
    """Raise UsageError for a table with more columns than a form has."""
    row, count = row_of(form), len(table.columns)
    if count > row.columns_max:
        raise UsageError(
            f"the table has {count:,} columns, and {form} at most {row.columns_max:,}; choose "
            f"--columns, --no-probabilities, or another -o, for example {ROOMY}"
        )


class TooManyRows(SetupError):
    """A form has no room for the rows of a job."""


def check_rows(form: str, rows: int, source: Path, target: Path | None = None) -> None:
    """Raise TooManyRows if the rows of the job of the table `source` do not fit into a form.
    `target` is another file that they would be written to."""
    if rows > row_of(form).rows_max:
        raise TooManyRows(no_room(form, rows, source, target))


def no_room(form: str, rows: int, source: Path, target: Path | None = None) -> str:
    """The line on rows that do not fit, with the command that writes them."""
    file = target or source
    other = near(str(file.with_suffix(ROOMY)))
    command = typed(["hangtag", "table", near(str(source)), "-o", other])
    most = row_of(form).rows_max
    return (
        f"{near(str(file))} is not written: {rows:,} rows are more than the {most:,} of {form}; "
        f"write them to another form with: {command}"
    )


def loaded(form: str) -> type[Format]:
    """What writes and reads a form. Raises SetupError if it needs what is not installed."""
    check_installed(form)
    kind: type[Format] = pkgutil.resolve_name(row_of(form).kind)
    return kind
