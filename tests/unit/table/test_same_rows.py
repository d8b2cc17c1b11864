"""Every form has the same rows, also for programs that have nothing to do with Hangtag."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import openpyxl
import pyarrow.parquet as pq
from hypothesis import example, given
from openpyxl.utils.escape import unescape as unescaped

from producer.job.columns import Table, table_columns
from producer.job.row_batch import RowBatch, Rules
from producer.table.csv_cells import unescape
from producer.table.table_formats import loaded
from shared.image_status import Flag, Status
from shared.messages.model_card import Card
from tests.unit.table.test_text_format import (
    JOB,
    Row,
    card,
    displays,
    naive,
    packed,
    tables,
    written_as,
)

Cells = Sequence[object]


def by_csv(path: Path) -> list[Cells]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def by_tabs(path: Path) -> list[Cells]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def of_objects(objects: list[dict[str, object]]) -> list[Cells]:
    return [list(objects[0]), *(list(one.values()) for one in objects)]


def by_lines(path: Path) -> list[Cells]:
    return of_objects([json.loads(line) for line in path.read_bytes().splitlines()])


def by_json(path: Path) -> list[Cells]:
    return of_objects(json.loads(path.read_bytes()))


def by_pyarrow(path: Path) -> list[Cells]:
    table = pq.read_table(path)
    return [table.column_names, *zip(*(c.to_pylist() for c in table.columns), strict=True)]


def by_openpyxl(path: Path) -> list[Cells]:
    """It leaves what XML cannot hold escaped."""
    book = openpyxl.load_workbook(path)
    rows = book["rows"].iter_rows(values_only=True)
    return [[unescaped(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]


@cache
def database() -> duckdb.DuckDBPyConnection:
    """In memory; it takes longer to start than to read a table."""
    return duckdb.connect(config={"threads": 1})


def by_duckdb(path: Path) -> list[Cells]:
    with database().cursor() as reading:
        # A query numbers columns whose names differ in case only; the schema has them as written.
        reading.execute(f"SELECT name FROM parquet_schema('{path}') WHERE num_children IS NULL")
        names = [name for (name,) in reading.fetchall()]
        reading.execute(f"SELECT * FROM '{path}'")
        return [names, *reading.fetchall()]


READERS: list[tuple[str, Callable[[Path], list[Cells]]]] = [
    ("csv", by_csv),
    ("tsv", by_tabs),
    ("jsonl", by_lines),
    ("json", by_json),
    ("xlsx", by_openpyxl),
    ("parquet", by_pyarrow),
    ("parquet", by_duckdb),
]


def shown(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:.4f}" if isinstance(cell, int | float) else str(cell)


#: Labels that differ in case only, with a column each.
TWO_CASES = (
    card(("F", "f")), 1, True, 2, [(b"a", Status.OK, [(0, 0.75), (1, 0.25)], Flag.NONE)]
)  # fmt: skip


@given(tables(), displays())
@example(TWO_CASES, (Rules(), ()))
def test_every_reader_finds_the_same_rows(
    given_: tuple[Card, int, bool, int, list[Row]], display: tuple[Rules, tuple[str, ...]]
) -> None:
    """Names, labels, failures and corrections with anything in them."""
    version, top_k, every, k, rows = given_
    rules, chosen = display
    names, statuses, predictions, flags = map(list, zip(*rows, strict=True))
    result = packed(k, statuses, predictions, flags)
    batch = RowBatch(b"\0".join(names), result, rules=rules)
    columns = table_columns(version, rules, top_k, every, chosen)
    table = Table(columns, rules, JOB, version)
    persons = rules.given_labels.labels_by_row(batch) if rules.given_labels else None
    excluded = rules.given_labels.excluded(batch) if rules.given_labels else b""
    without = [row for row, is_excluded in enumerate(excluded) if is_excluded]
    plain = naive(version, top_k, every, rows, rules.acceptance, chosen, persons, without)
    expected = list(csv.reader(io.StringIO(plain, newline="")))
    with TemporaryDirectory() as folder:
        for form, read in READERS:
            path = Path(folder, f"table.{form}")
            path.write_bytes(written_as(form, table, [batch]))
            found = [[shown(cell) for cell in row] for row in read(path)]
            assert found == expected, read
            assert [unescape(row[0]) for row in found[1:]] == names
            own = [[loaded(form).text(c) for c in row] for row in loaded(form).read(path)]
            assert [row[0] for row in own] == [row[0] for row in expected]
