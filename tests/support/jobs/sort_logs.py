"""Logs of sorted folders as another hand would leave them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from producer.sort_log.entry import COLUMNS
from producer.sort_log.log import SortLog
from producer.sort_log.log_tables import SEALED
from shared.labels.class_folders import SORT_LOG

NAMES = COLUMNS.split(", ")
Rows = dict[str, list[tuple[Any, ...]]]


@contextmanager
def database(out: Path) -> Iterator[sqlite3.Connection]:
    """The log as any program may change it."""
    with closing(sqlite3.connect(out / SORT_LOG, isolation_level=None)) as opened:
        yield opened


def rows(out: Path) -> Rows:
    """Every row of a log."""
    with database(out) as opened:
        return {
            table: opened.execute(f"SELECT * FROM {table}").fetchall() for table in ("log", *SEALED)
        }


def forge(out: Path, table: str = "file", **cells: object) -> None:
    """Change cells of a table's first row, with true checksums."""
    width = {"file": NAMES, "made": ["folder"], "sorting": ["id", "output", "job", "way", "rule"]}
    with SortLog(out / SORT_LOG) as log, log.transaction():
        row = log._one(f"SELECT * FROM {table} LIMIT 1")
        keys = width[table][:2] if table == "file" else width[table][:1]
        log._drop(table, " AND ".join(f"{key} = ?" for key in keys), *row[: len(keys)])
        new = list(row[:-1])
        for name, cell in cells.items():
            new[width[table].index(name)] = cell
        log._put(table, *new)
