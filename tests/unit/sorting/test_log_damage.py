"""The log of a sorted folder is believed only as it was written: any damage is one line, and no
file is touched."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.sort_log.entry import Way
from producer.sort_log.log import SortLog
from producer.sorting import sort, sort_index
from shared.errors import Exit, SetupError
from shared.labels.class_folders import SORT_LOG
from tests.support.failpoints.hypothesis_profiles import FULL
from tests.support.jobs import sorted_job
from tests.support.jobs.sort_logs import database, forge, rows
from tests.support.jobs.sorted_job import tree

FILES = {"a/1.png": b"one", "b/1.png": b"uno", "b/2.png": b"two"}
#: Of each byte by day; the night flips all.
BITS = 8 if FULL else 1
#: Damaged logs that are undone.
UNDONE = 400 if FULL else 60


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The images of a small job, moved."""
    sort.sort(sorted_job.make(tmp_path, FILES), tmp_path / "sorted", Way.MOVE)
    return tmp_path / "sorted"


def undo(out: Path, *options: str) -> tuple[int, str]:
    """The exit code of `--undo`, and its line on standard error if it has failed."""
    result = CliRunner().invoke(hangtag, ["sort", "--undo", str(out), "--quiet", *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    if result.exit_code == Exit.OK:
        return 0, result.stderr
    (line,) = result.stderr.splitlines()
    return result.exit_code, line


def flips(data: bytes) -> Iterator[bytes]:
    """The log with one bit flipped: in each byte that is not zero, and in some that are."""
    chosen = random.Random(7)
    for at, byte in enumerate(data):
        if byte or at < 100 or chosen.random() < 0.003:
            for bit in range(8) if BITS == 8 else [chosen.randrange(8)]:
                yield data[:at] + bytes([byte ^ 1 << bit]) + data[at + 1 :]


def opened(out: Path) -> str:
    """Why the log of a folder cannot be opened; empty if it can."""
    try:
        SortLog(out / SORT_LOG).close()
    except SetupError as error:
        return str(error)
    return ""


def test_no_flipped_bit_changes_what_a_log_says(out: Path, tmp_path: Path) -> None:
    """Each is refused, or in a part of the file that has no meaning."""
    whole, wanted = (out / SORT_LOG).read_bytes(), rows(out)
    copy = tmp_path / "copy"
    copy.mkdir()
    refused = same = 0
    for damaged in flips(whole):
        (copy / SORT_LOG).write_bytes(damaged)
        line = opened(copy)
        if line:
            assert line.startswith(f"{copy / SORT_LOG}: ")
            assert "\n" not in line
            refused += 1
        else:
            assert rows(copy) == wanted
            same += 1
    assert refused > 1_000
    assert same < refused / 5


def test_undo_of_a_damaged_log_does_nothing_or_everything(out: Path, tmp_path: Path) -> None:
    images, index = tmp_path / "in", sort_index._folder()
    shutil.copytree(out, tmp_path / "out kept")
    shutil.copytree(index, tmp_path / "index kept")
    before, whole = tree(out), (out / SORT_LOG).read_bytes()
    codes = Counter[int]()
    for damaged in random.Random(3).sample(list(flips(whole)), UNDONE):
        (out / SORT_LOG).write_bytes(damaged)
        code, _ = undo(out)
        codes[code] += 1
        if code:
            assert (code, tree(out), tree(images)) == (Exit.SETUP, before, {})
        else:
            assert tree(images) == FILES
            assert not out.exists()
            for folder in (images, index):
                shutil.rmtree(folder)
            images.mkdir()
            shutil.copytree(tmp_path / "index kept", index)
            shutil.copytree(tmp_path / "out kept", out)
    assert codes[Exit.SETUP] > codes[Exit.OK] > 0


def with_sql(*texts: str) -> Callable[[Path], None]:
    def change(out: Path) -> None:
        with database(out) as log:
            for text in texts:
                log.execute(text)

    return change


def without_bytes(out: Path) -> None:
    (out / SORT_LOG).write_bytes(b"")


def with_row_of_another_log(out: Path) -> None:
    other = out.parent / "other"
    other.mkdir()
    sort.sort(sorted_job.make(other, {"c.png": b"other"}), other / "sorted", Way.MOVE)
    (row,) = rows(other / "sorted")["file"]
    with database(out) as log:
        log.execute("DELETE FROM file WHERE row = 2")
        log.execute(f"INSERT INTO file VALUES ({', '.join('?' * len(row))})", (1, 2, *row[2:]))


def with_an_entry_of_another_time(out: Path) -> None:
    """It has a true checksum, and the number of rows is right."""
    whole = (out / SORT_LOG).read_bytes()
    forge(out, source=b"/elsewhere/1.png")
    (row,) = (row for row in rows(out)["file"] if row[1] == 0)
    (out / SORT_LOG).write_bytes(whole)
    with database(out) as log:
        log.execute("DELETE FROM file WHERE row = 0")
        log.execute(f"INSERT INTO file VALUES ({', '.join('?' * len(row))})", row)


#: Two indexes each have the other's content.
OTHER_INDEX = (
    "PRAGMA writable_schema=ON",
    "CREATE TEMP TABLE was AS SELECT name, rootpage FROM main.sqlite_master",
    "UPDATE main.sqlite_master SET rootpage = (SELECT rootpage FROM was WHERE was.name ="
    " replace('file_wantedfile_source', sqlite_master.name, ''))"
    " WHERE name IN ('file_wanted', 'file_source')",
)
SWAP = (
    "CREATE TEMP TABLE was AS SELECT row, source, seal FROM file",
    "UPDATE file SET (source, seal) = (SELECT source, seal FROM was WHERE was.row = 1 - file.row)"
    " WHERE row < 2",
)
CHANGES = {
    "no bytes": (without_bytes, "it is empty"),
    "no tables": (
        with_sql(
            *(f"DROP TABLE {table}" for table in ("log", "sorting", "file", "made")),
            "PRAGMA user_version=0",
        ),
        "it is empty",
    ),
    "a removed entry": (with_sql("DELETE FROM file WHERE row = 1"), "7 rows, and not the 8"),
    "a repeated entry": (
        with_sql(
            "CREATE TEMP TABLE one AS SELECT * FROM file WHERE row = 1",
            "UPDATE one SET row = 7, place = 7",
            "INSERT INTO file SELECT * FROM one",
        ),
        "the entry of row 8 of table 1",
    ),
    "swapped entries": (with_sql(*SWAP), "the entry of row 1 of table 1"),
    "an edited source": (
        with_sql("UPDATE file SET source = x'2f746d702f78' WHERE row = 1"),
        "the entry of row 2 of table 1",
    ),
    "an entry of another time": (with_an_entry_of_another_time, "8 rows, and not the 8"),
    "the index of other cells": (with_sql(*OTHER_INDEX), "missing from index"),
    "another state": (with_sql("UPDATE file SET state = 2 WHERE row = 2"), "row 3 of table 1"),
    "an entry of another log": (with_row_of_another_log, "row 3 of table 1"),
    "another table": (with_sql("UPDATE sorting SET output = '/x.csv'"), "the entry of table 1"),
    "a folder more": (with_sql("INSERT INTO made VALUES ('../x', 0)"), "the entry of folder"),
    "no folder": (with_sql("DELETE FROM made WHERE folder = ''"), "rows, and not the"),
    "another token": (with_sql("UPDATE log SET token = '0123456789abcdef'"), "is damaged"),
    "a token that leads elsewhere": (
        with_sql("UPDATE log SET token = '/../../x'"),
        "its first row is damaged",
    ),
    "a token that is no text": (
        with_sql("UPDATE log SET token = x'00'"),
        "its first row is damaged",
    ),
    "no first row": (with_sql("DELETE FROM log"), "its first row is damaged"),
    "two first rows": (
        with_sql("INSERT INTO log SELECT * FROM log"),
        "its first row is damaged",
    ),
    "another base": (with_sql("UPDATE log SET base = x'2f'"), "its first row is damaged"),
    "a trigger": (
        with_sql("CREATE TRIGGER more AFTER DELETE ON file BEGIN DELETE FROM made; END"),
        "its tables are not those of a log",
    ),
    "a view": (with_sql("CREATE VIEW more AS SELECT 1"), "its tables are not those of a log"),
    "no index": (with_sql("DROP INDEX file_open"), "its tables are not those of a log"),
    "the version of older logs": (
        with_sql("PRAGMA user_version=1"),
        "its tables are not those of a log",
    ),
    "a version that does not exist": (
        with_sql("PRAGMA user_version=3"),
        "its tables are not those of a log",
    ),
    "no version": (with_sql("PRAGMA user_version=0"), "its tables are not those of a log"),
    "a write-ahead log": (
        with_sql("PRAGMA journal_mode=WAL", "UPDATE file SET state = 2"),
        "it is no log of a sorted folder",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_an_edited_log_is_refused_with_its_entry(out: Path, tmp_path: Path, change: str) -> None:
    edit, wanted = CHANGES[change]
    edit(out)
    before = tree(tmp_path)
    code, line = undo(out)
    assert (code, tree(tmp_path)) == (Exit.SETUP, before)
    assert line.startswith(f"hangtag: {out / SORT_LOG}: ")
    assert wanted in line
    with pytest.raises(SetupError, match=SORT_LOG):
        sort.sort(tmp_path / "out.csv", out, Way.MOVE)
    with pytest.raises(SetupError, match=SORT_LOG):
        sort.rehearse(tmp_path / "out.csv", out, Way.MOVE)
    assert tree(tmp_path) == before


def test_a_log_of_a_later_version_is_refused(out: Path, tmp_path: Path) -> None:
    with_sql("CREATE TABLE more (a)", "PRAGMA user_version=3")(out)
    before = tree(tmp_path)
    code, line = undo(out)
    assert (code, tree(tmp_path)) == (Exit.SETUP, before)
    assert line.startswith(f"hangtag: {out / SORT_LOG} ")
    assert "version" in line


def test_a_log_is_whole_after_a_change_that_was_taken_back(out: Path) -> None:
    with SortLog(out / SORT_LOG) as log:
        with suppress(KeyboardInterrupt), log.transaction():
            log.add_folder("Coat, too")
            raise KeyboardInterrupt
        with log.transaction():
            log.add_folder("Bag, too")
    assert opened(out) == ""
    assert "Bag, too" in [row[0] for row in rows(out)["made"]]
