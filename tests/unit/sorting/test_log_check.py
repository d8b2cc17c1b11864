"""Each part of a log that differs from what was written is found and named."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from producer.sort_log import log_check
from producer.sort_log.log_check import Mismatch
from producer.sort_log.log_tables import TABLES, VERSION, added, seal
from shared.errors import SetupError

TOKEN = "0123456789abcdef"
#: A table, a folder and a file of a log.
CELLS: dict[str, tuple[Any, ...]] = {
    "sorting": (1, "/out.csv", "job", "move", "rule"),
    "made": ("Bag",),
    "file": (1, 0, "move", 1, b"/in/a.png", "Bag", b"a.png", 3, b"crc!", 9, 5, 6, 7, 1),
}
LOG = Path("log")


@pytest.fixture
def log() -> Iterator[sqlite3.Connection]:
    """A whole log, in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        for table in TABLES:
            database.execute(table)
        database.execute(f"PRAGMA user_version={VERSION}")
        total = 0
        for table, cells in CELLS.items():
            put(database, table, *cells)
            total = added(total, seal(TOKEN, table, *cells))
        put(database, "log", TOKEN, None, len(CELLS), total)
        yield database


def put(database: sqlite3.Connection, table: str, *cells: object) -> None:
    row = (*cells, seal(TOKEN, table, *cells))
    database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def checked(database: sqlite3.Connection) -> int:
    """The number of rows of a log."""
    log_check.check_tables(database, LOG)
    token = log_check.token_of(database)
    return log_check.check_rows(database, token)[0]


def test_a_log_is_as_it_was_written(log: sqlite3.Connection) -> None:
    assert checked(log) == len(CELLS)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("DELETE FROM file", "it has 2 rows, and not the 3"),
        ("UPDATE file SET state = 2", "entry of row 1 of table 1 is damaged"),
        ("UPDATE made SET folder = 'Hat'", "entry of folder 'Hat' is damaged"),
        ("UPDATE sorting SET job = 'x'", "entry of table 1 is damaged"),
        ("DELETE FROM log", "its first row is damaged"),
        ("INSERT INTO log SELECT * FROM log", "its first row is damaged"),
        ("UPDATE log SET token = x'00'", "its first row is damaged"),
        ("UPDATE log SET token = '/../x'", "its first row is damaged"),
        ("UPDATE log SET base = x'2f'", "its first row is damaged"),
        ("DROP INDEX file_open", "its tables are not those of a log"),
        ("PRAGMA user_version=0", "its tables are not those of a log"),
        ("PRAGMA user_version=1", "its tables are not those of a log"),
        ("PRAGMA user_version=3", "its tables are not those of a log"),
    ],
)
def test_a_change_is_found_and_named(log: sqlite3.Connection, change: str, why: str) -> None:
    log.execute(change)
    with pytest.raises(Mismatch, match=why):
        checked(log)


@pytest.mark.parametrize(
    ("table", "cell", "value", "why"),
    [
        ("made", 0, "../x", "'../x' is no name of a folder"),
        ("made", 0, b"Bag", "is no name of a folder"),
        ("sorting", 2, b"job", "entry of table 1 has a cell of another type"),
        ("file", 5, "..", "entry of row 1 of table 1 has a place outside the folder"),
    ],
)
def test_a_row_that_leads_elsewhere_is_refused_in_spite_of_its_checksum(
    table: str, cell: int, value: object, why: str
) -> None:
    cells = (*CELLS[table][:cell], value, *CELLS[table][cell + 1 :])
    with pytest.raises(Mismatch, match=why):
        log_check.cells_in(TOKEN, table, (*cells, seal(TOKEN, table, *cells)))


def test_a_log_of_a_later_version_is_not_called_damaged(log: sqlite3.Connection) -> None:
    log.execute("CREATE TABLE more (a)")
    log.execute("PRAGMA user_version=3")
    with pytest.raises(SetupError, match="log was written by another version of Hangtag"):
        log_check.check_tables(log, LOG)


def test_a_log_without_the_number_of_its_format_is_not_believed(log: sqlite3.Connection) -> None:
    log.execute("PRAGMA user_version=1")
    with pytest.raises(Mismatch, match="its tables are not those of a log"):
        log_check.check_tables(log, LOG)


def test_an_entry_without_its_table_is_damage() -> None:
    with pytest.raises(Mismatch, match="a table is missing"):
        log_check.job_in(TOKEN, None)


class TestFiles:
    """What lies there before SQLite opens it."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        (tmp_path / "log").write_bytes(b"SQLite format 3\0\x10\0\1\1" + bytes(80))
        return tmp_path / "log"

    def test_a_log_may_be_empty_and_alone(self, path: Path) -> None:
        log_check.check_files(path)
        path.write_bytes(b"")
        log_check.check_files(path)

    @pytest.mark.parametrize(
        "head", [b"Another format 2\x10\0\1\1", b"SQLite format 3\0\x10\0\2\2", b"SQLite"]
    )
    def test_another_format_is_no_log(self, path: Path, head: bytes) -> None:
        path.write_bytes(head + bytes(80))
        with pytest.raises(SetupError, match="it is no log of a sorted folder"):
            log_check.check_files(path)

    def test_a_journal_names_no_other_file(self, path: Path) -> None:
        journal = Path(f"{path}-journal")
        journal.write_bytes(bytes(100))
        log_check.check_files(path)
        journal.write_bytes(bytes(100) + bytes.fromhex("d9d505f920a163d7"))
        with pytest.raises(SetupError, match="its journal names another file"):
            log_check.check_files(path)

    @pytest.mark.parametrize("suffix", ["-wal", "-shm"])
    def test_no_write_ahead_log_lies_beside_it(self, path: Path, suffix: str) -> None:
        Path(f"{path}{suffix}").touch()
        with pytest.raises(SetupError, match=f"log{suffix} is beside it"):
            log_check.check_files(path)
