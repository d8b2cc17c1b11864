"""Checks a table without a journal: whether its rows are well-formed, and no path occurs twice.
Missing rows cannot be detected."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from producer.formats.format import Format, Unreadable
from producer.formats.table_formats import CSV, format_of, loaded
from producer.present.formatting import one_line
from producer.rows.columns import COLUMNS, CONFIDENCE, GUESS
from producer.verify.check_rows import display_cell, place_of
from shared.image_status import BY_CODE, FLAGS, Flag, Status

#: The start of a table in CSV.
_CSV = f"{COLUMNS[0]},".encode()
_CONFIDENCE = re.compile(r"0\.\d{4}|1\.0000")


def form_problems(output: Path) -> Iterator[str]:
    """One line for each problem. Raises OSError, SetupError."""
    try:
        rows = _texts(output, loaded(_form_of(output)))
        header = next(rows, [])
        if header[:1] != [COLUMNS[0]] or len(set(header)) < len(header):
            yield f"{output}: its columns are not those of a table, {','.join(COLUMNS)}"
            return
        yield from _row_problems(rows, header)
    except Unreadable as error:
        yield f"{output}: is not a table of Hangtag from some row on ({one_line(str(error))})"


def _form_of(output: Path) -> str:
    """The form that the name says, or CSV, which earlier versions of Hangtag wrote into any."""
    with output.open("rb") as file:
        is_csv = file.read(len(_CSV)) == _CSV
    return CSV if is_csv else format_of(output.name)


def _texts(output: Path, form: type[Format]) -> Iterator[list[str]]:
    """The cells as CSV has them. Raises Unreadable, OSError."""
    for row in form.read(output):
        yield list(map(Format.text, row))


def _row_problems(rows: Iterator[list[str]], header: list[str]) -> Iterator[str]:
    seen = sqlite3.connect("")  # a large table is on disk: constant memory
    model = None
    try:
        seen.execute("CREATE TABLE path (path BLOB PRIMARY KEY) WITHOUT ROWID")
        for number, cells in enumerate(rows, 1):
            where = place_of(number, cells[0] if cells else "")
            if len(cells) != len(header):
                yield f"{where}: has {len(cells)} cells, not {len(header)}"
                continue
            row = dict(zip(header, cells, strict=True))
            model = model or row.get("model")
            yield from (f"{where}: {problem}" for problem in _problems(row, model))
            path = cells[0].encode(errors="surrogatepass")  # it may be no valid text
            if not seen.execute("INSERT OR IGNORE INTO path VALUES (?)", (path,)).rowcount:
                yield f"{where}: occurs twice"
    finally:
        seen.close()


def _problems(row: dict[str, str], model: str | None) -> Iterator[str]:
    """The problems of a row, by the columns that it has (--columns)."""
    if row.get("model") != model:
        yield f"model is {display_cell(row['model'])!r}, elsewhere {display_cell(model or '')!r}"
    if row.get("flag", Flag.NONE) not in FLAGS:
        yield f"flag is {display_cell(row['flag'])!r}, which does not exist"
    if "status" not in row:
        return
    if row["status"] not in BY_CODE:
        yield f"status is {display_cell(row['status'])!r}, which does not exist"
        return
    status = Status(row["status"])
    if row.get("error", status.sentence) != status.sentence:
        yield f"error is not the sentence of {status}"
    yield from _answer_problems(row, status)


def _answer_problems(row: dict[str, str], status: Status) -> Iterator[str]:
    answers = [row[name] for name in ("label", GUESS) if name in row]
    confidence = row.get(CONFIDENCE)
    if status is not Status.OK:
        if any(answers) or confidence:
            yield f"is {status}, but has a label or a confidence"
    elif not all(answers) or not (confidence is None or _CONFIDENCE.fullmatch(confidence)):
        yield "is ok, but has no label with a confidence from 0 to 1"
