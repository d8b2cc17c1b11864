"""Checks a table without a journal: whether its rows are well-formed, and no path occurs twice.
Missing rows cannot be detected."""

from __future__ import annotations

import csv
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from producer.output.csv_table import COLUMNS
from producer.verify.check_rows import display_cell
from shared.image_status import BY_CODE, FLAGS, Status

_CONFIDENCE = re.compile(r"0\.\d{4}|1\.0000")


def form_problems(output: Path) -> Iterator[str]:
    """One line for each problem. Raises OSError."""
    with output.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            header = next(rows, [])
            if tuple(header[: len(COLUMNS)]) != COLUMNS:
                yield f"{output}: its columns are not {','.join(COLUMNS)}"
                return
            yield from _rows(rows, len(header))
        except (csv.Error, UnicodeDecodeError) as error:
            yield f"{output}: is not a table of Hangtag from some row on ({error})"


def _rows(rows: Iterator[list[str]], width: int) -> Iterator[str]:
    seen = sqlite3.connect("")  # a large table is on disk: constant memory
    model = None
    try:
        seen.execute("CREATE TABLE path (path TEXT PRIMARY KEY) WITHOUT ROWID")
        for number, cells in enumerate(rows, 2):
            where = f"row {number} ({display_cell(cells[0] if cells else '')})"
            if len(cells) != width:
                yield f"{where}: has {len(cells)} cells, not {width}"
                continue
            model = model or cells[COLUMNS.index("model")]
            yield from (f"{where}: {problem}" for problem in _problems(cells, model))
            if not seen.execute("INSERT OR IGNORE INTO path VALUES (?)", cells[:1]).rowcount:
                yield f"{where}: occurs twice"
    finally:
        seen.close()


def _problems(cells: list[str], model: str) -> Iterator[str]:
    row = dict(zip(COLUMNS, cells, strict=False))
    if row["model"] != model:
        yield f"model is {display_cell(row['model'])!r}, elsewhere {display_cell(model)!r}"
    if row["status"] not in BY_CODE:
        yield f"status is {display_cell(row['status'])!r}, which does not exist"
        return
    status = Status(row["status"])
    if row["error"] != status.sentence:
        yield f"error is not the sentence of {status}"
    if row["flag"] not in FLAGS:
        yield f"flag is {display_cell(row['flag'])!r}, which does not exist"
    if status is Status.OK and not (row["label"] and _CONFIDENCE.fullmatch(row["confidence"])):
        yield "is ok, but has no label with a confidence from 0 to 1"
    if status is not Status.OK and (row["label"] or row["confidence"]):
        yield f"is {status}, but has a label or a confidence"
