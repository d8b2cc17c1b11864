"""The formats of a table: a row for each, by name. A table has the same rows and cells in all.

A **form** is the name of a format, as jobs store it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from producer.present.formatting import near, typed
from shared import installation
from shared.errors import SetupError, UsageError

if TYPE_CHECKING:
    from producer.formats.format import Format
    from producer.rows.columns import Table

CSV = "csv"
#: What is proposed where another form has no room.
ROOMY = ".parquet"
_ENDLESS = 1 << 62


class FormatRow(NamedTuple):
    """A format, of which nothing is imported until it is needed."""

    name: str  #: its first suffix, without the dot
    suffixes: Sequence[str]
    load: Callable[[], type[Format]]
    #: Import names and pip's names of what it needs, which an extra of Hangtag installs.
    packages: Mapping[str, str] = {}
    extra: str = ""
    is_text: bool = True
    rows_max: int = _ENDLESS
    columns_max: int = _ENDLESS


def _csv() -> type[Format]:
    from producer.formats.csv import Csv

    return Csv


def _tsv() -> type[Format]:
    from producer.formats.tsv import Tsv

    return Tsv


def _jsonl() -> type[Format]:
    from producer.formats.jsonl import JsonLines

    return JsonLines


def _json() -> type[Format]:
    from producer.formats.json import Json

    return Json


def _parquet() -> type[Format]:
    from producer.formats.parquet import Parquet

    return Parquet


def _xlsx() -> type[Format]:
    from producer.formats.xlsx import Xlsx

    return Xlsx


_ROWS = (
    FormatRow(CSV, (".csv",), _csv),
    FormatRow("tsv", (".tsv",), _tsv),
    FormatRow("jsonl", (".jsonl", ".ndjson"), _jsonl),
    FormatRow("json", (".json",), _json),
    FormatRow(
        "xlsx",
        (".xlsx",),
        _xlsx,
        {"xlsxwriter": "xlsxwriter", "openpyxl": "openpyxl"},
        "xlsx",
        is_text=False,
        rows_max=(1 << 20) - 1,  # and the header
        columns_max=1 << 14,
    ),
    FormatRow("parquet", (".parquet",), _parquet, {"pyarrow": "pyarrow"}, "parquet", is_text=False),
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
    return row_of(form).load()
