"""The forms of a table. Each has the same cells; JSON Lines has numbers where CSV has decimals."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from producer.output.csv_table import CONFIDENCE

CSV, TSV, JSONL = "csv", "tsv", "jsonl"
FORMS = (CSV, TSV, JSONL)
#: Columns of numbers start so.
_NUMBERS = (CONFIDENCE, "p_")


def form_of(path: str) -> str:
    """The form that a file's name ends in; CSV for any other name."""
    suffix = os.path.splitext(path)[1].lower().removeprefix(".")
    return suffix if suffix in FORMS else CSV


def converted(chunks: Iterator[str], form: str) -> Iterator[str]:
    """A table in another form. `chunks` is CSV, the first chunk its header, each of whole lines."""
    if form == CSV:
        return chunks
    header = next(csv.reader([next(chunks)]))
    write = _tsv if form == TSV else _jsonl(header)
    texts = (write(list(csv.reader(io.StringIO(chunk, newline="")))) for chunk in chunks)
    return _after_header(_tsv([header]) if form == TSV else "", texts)


def _after_header(header: str, texts: Iterator[str]) -> Iterator[str]:
    yield header
    yield from texts


def _tsv(rows: list[list[str]]) -> str:
    """No cell has a tab or a line end: they are escaped (docs/table.md)."""
    return "".join("\t".join(row) + "\n" for row in rows)


def _jsonl(header: list[str]) -> Callable[[list[list[str]]], str]:
    numbers = [name.startswith(_NUMBERS) for name in header]

    def write(rows: list[list[str]]) -> str:
        return "".join(
            msgspec.json.encode(
                {
                    name: _value(cell, is_number)
                    for name, cell, is_number in zip(header, row, numbers, strict=True)
                }
            ).decode()
            + "\n"
            for row in rows
        )

    return write


def _value(cell: str, is_number: bool) -> Any:
    """Null for an empty cell."""
    if not cell:
        return None
    return float(cell) if is_number else cell
