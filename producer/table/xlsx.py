"""XLSX: a sheet of rows whose header stays and filters, and a sheet with the summary.

Rows go to a temporary file as they come, so memory is constant. Every text is written as a string:
none is a formula, a link or markup.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet

from producer.job.acceptance import doubtless
from producer.job.columns import Column, Decimals, Names, Table, Words
from producer.job.row_batch import Decision, RowBatch
from producer.table.answer_counter import AnswerCounter
from producer.table.csv_cells import escape
from producer.table.table_formats import Cell, Format, Unreadable
from producer.table.text_format import Cells, heads
from shared.errors import SetupError
from shared.image_status import FLAGS

#: The heads of the columns with labels.
LABELS = ("label of the model", "images", "share", "doubtful")
#: The column with shares of all images.
SHARE = LABELS.index("share")
Line = Sequence[str | float]
SHEET, SUMMARY = "rows", "summary"
#: The width of a column, in characters.
_WIDTHS = {Names: 48, Words: 16, Decimals: 12}
_OPTIONS = {
    "constant_memory": True,
    "strings_to_urls": False,
    "strings_to_formulas": False,
    "use_zip64": True,
}
_PERCENT = {"num_format": "0.0%"}
#: The grounds of rows that are as usual, doubtful, failed; light enough for black text.
_COLOURS: tuple[dict[str, str], ...] = ({}, {"bg_color": "#FFF2CC"}, {"bg_color": "#F8CBAD"})
_DOUBTFUL, _FAILED = 1, 2
#: A character that XML lacks, in a text.
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


class SheetCounts:
    """Counts the rows of a table."""

    def __init__(self, table: Table) -> None:
        self._table, self._answers = table, AnswerCounter(table.card)
        self._decisions, self._flags = Counter[int](), Counter[int]()

    def add(self, batch: RowBatch) -> None:
        """Count one batch."""
        self._answers.add(batch)
        self._decisions.update(batch.decisions)
        self._flags.update(batch.flags)

    def lines(self) -> Iterator[Line]:
        """The rows of the sheet."""
        answers, rows = self._answers.counted(), sum(self._decisions.values())
        yield "job", self._table.job.id
        yield "model", escape(self._table.card.ref.encode())
        yield "images", rows
        for name, count in self._counted():
            yield name, count, count / max(rows, 1)
        doubtful = sum(answers.doubtful.values())
        yield "doubtful", doubtful, doubtful / max(rows, 1)
        for status, failures in answers.failures.items():
            yield status, failures.count, failures.count / rows
        yield ()
        yield LABELS
        for label, count in answers.labels.items():
            yield escape(label.encode()), count, count / rows, answers.doubtful.get(label, 0)

    def _counted(self) -> Iterator[tuple[str, int]]:
        """What a threshold, people and detectors decided."""
        if self._table.rules.acceptance is not None:
            yield "accepted", self._decisions[Decision.ACCEPTED]
        if self._table.rules.given_labels is not None:
            yield "labels of people", self._decisions[Decision.PERSON]
        for code, flag in enumerate(FLAGS):
            if flag and self._flags[code]:
                yield flag, self._flags[code]


class _Sheet(Worksheet):  # type: ignore[misc]  # it has no types
    """A sheet in which a text that looks like markup is a text."""

    def _xml_rich_inline_string(self, string: str, attributes: Any) -> None:
        self._xml_inline_string(string, False, attributes)


class Xlsx(Format):
    """A workbook of two sheets."""

    number_spec = ".9g"  # exactly a float32

    def begin(self, table: Table) -> None:
        self._count, self._counts = 0, SheetCounts(table)
        self._cells, self._sure = Cells(table.columns), doubtless(table.card)
        self._temporary = _empty_folder(self._folder)
        options = {**_OPTIONS, "tmpdir": str(self._temporary)}
        self._book = xlsxwriter.Workbook(self._sink, options)
        moment = datetime.fromtimestamp(table.job.created, UTC).replace(tzinfo=None)
        self._book.set_properties({"created": moment})
        self._percent = self._book.add_format(_PERCENT)
        self._bold = self._book.add_format({"bold": True})
        self._rows = self._book.add_worksheet(SHEET, worksheet_class=_Sheet)
        self._summary = self._book.add_worksheet(SUMMARY, worksheet_class=_Sheet)
        self._styles = [
            [self._style(column, colour) for column in table.columns] for colour in _COLOURS
        ]
        self._begin_rows(table.columns)

    def write(self, batch: RowBatch) -> None:
        sure, decisions = batch.accepted_by(self._sure), batch.decisions
        for i, cells in enumerate(self._cells.rows(batch)):
            self._count += 1
            kind = _FAILED if batch.statuses[i] else 0
            if not (sure[i] or kind or decisions[i] == Decision.PERSON):
                kind = _DOUBTFUL
            self._write_row(cells, self._styles[kind])
        self._counts.add(batch)

    def end(self) -> None:
        self._rows.autofilter(0, 0, self._count, len(self._styles[0]) - 1)
        self._write_summary()
        try:
            self._book.close()
        except FileCreateError as error:
            raise error.args[0] from None  # an OSError

    def close(self) -> None:
        for sheet in (self._rows, self._summary):
            with suppress(OSError):
                sheet._opt_close()  # its temporary file
        self._book.fileclosed = True  # else it warns when it is collected
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _style(self, column: Column, colour: dict[str, str]) -> Any:
        style = {**(_PERCENT if isinstance(column, Decimals) and column.digits else {}), **colour}
        return self._book.add_format(style) if style else None

    def _begin_rows(self, columns: Sequence[Column]) -> None:
        self._rows.freeze_panes(1, 0)
        for at, (column, head) in enumerate(zip(columns, heads(columns), strict=True)):
            self._rows.set_column(at, at, _WIDTHS[type(column)])
            self._rows.write_string(0, at, head, self._bold)

    def _write_row(self, cells: Sequence[Cell], styles: Sequence[Any]) -> None:
        row, sheet = self._count, self._rows
        for at, cell in enumerate(cells):
            if isinstance(cell, str):
                if sheet.write_string(row, at, cell, styles[at]):  # it was cut, or left out
                    raise SetupError(f"row {row:,} has no room in a spreadsheet; choose another -o")
            elif cell is None:
                sheet.write_blank(row, at, None, styles[at])
            else:
                sheet.write_number(row, at, cell, styles[at])

    def _write_summary(self) -> None:
        sheet = self._summary
        sheet.set_column(0, 0, _WIDTHS[Words])
        for row, line in enumerate(self._counts.lines()):
            style = self._bold if line is LABELS else None  # the heading of the labels
            for at, cell in enumerate(line):
                if isinstance(cell, str):
                    sheet.write_string(row, at, cell, style)
                else:
                    sheet.write_number(row, at, cell, self._percent if at == SHARE else None)

    @staticmethod
    def read(path: Path) -> Iterator[Sequence[Cell]]:
        try:
            with (
                path.open("rb") as file,  # openpyxl refuses names with other endings
                closing(openpyxl.load_workbook(file, read_only=True)) as book,
            ):
                for row in book[SHEET].iter_rows(values_only=True):
                    yield [
                        _ESCAPED.sub(_character, cell) if isinstance(cell, str) else cell
                        for cell in row
                    ]
        except Exception as error:  # openpyxl and zipfile raise many kinds
            raise Unreadable(str(error)) from error


def _empty_folder(folder: Path | None) -> Path:
    """An empty folder for what is not written yet."""
    if folder is None:
        return Path(tempfile.mkdtemp())
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _character(escaped: re.Match[str]) -> str:
    return chr(int(escaped[1], 16))
