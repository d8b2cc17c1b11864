"""The journal preserves committed data across crashes, full disks and damage."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.job import journal_lock
from producer.job.batch_reader import FINISHED
from producer.job.journal import SUFFIX, Journal, journal_path
from producer.job.records import FrozenBatch, StoredResult
from producer.job.totals import JobCounts
from shared import file_lock
from shared.errors import SetupError, UsageError
from shared.image_status import FLAGS, add_flags

names = st.binary(min_size=1, max_size=8).filter(lambda name: b"\0" not in name)
stamps = st.tuples(st.integers(-1, 1 << 40), st.integers(-1, (1 << 63) - 1))
files = st.lists(st.tuples(names, stamps), min_size=1, max_size=4)
#: A step: a batch to freeze, or a result (its batch and content), or both at once.
flags = st.dictionaries(st.sampled_from([str(flag) for flag in FLAGS[1:]]), st.integers(1, 4))
stored_results = st.builds(
    StoredResult,
    st.integers(0, 9),
    st.binary(max_size=5),
    st.integers(0, 4),
    st.just({}) | flags,
    st.binary(max_size=4),
)
steps = st.lists(
    st.tuples(st.lists(files, max_size=2), st.lists(stored_results, max_size=3)), max_size=6
)
Step = tuple[list[list[tuple[bytes, tuple[int, int]]]], list[StoredResult]]


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def frozen(n: int, *names: bytes) -> FrozenBatch:
    return FrozenBatch(n, 0, list(names), [(1, 2)] * len(names))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with a finished batch, an open one, and a property."""
    path = journal_path(tmp_path / "out.csv")
    with closing(Journal(path)) as journal:
        journal.put(record=b"{}")
        journal.commit([frozen(0, b"a", b"b"), frozen(1, b"c")], [StoredResult(0, b"result", 1)])
    return path


def results_in(path: Path) -> list[tuple[bytes, bytes, str | None]]:
    """The names, the result and the flags of every finished batch of a journal, in order."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute(
            f"SELECT names, result, flagged FROM batch {FINISHED}", (-1,)
        ).fetchall()


def everything(journal: Journal) -> tuple[object, ...]:
    """The data that a journal returns."""
    return (
        journal.get("record"),
        msgspec.structs.astuple(journal.totals),
        journal.last(),
        journal.open_batches(),
        results_in(journal.path),
        list(journal.names()),
    )


@given(steps)
def test_the_journal_behaves_like_a_dictionary_also_when_it_is_opened_again(
    steps: list[Step],
) -> None:
    batches: list[FrozenBatch] = []
    results: dict[int, StoredResult] = {}
    with folder() as place:
        journal = Journal(place / "j")
        for freeze, stored_results in steps:
            new = [
                FrozenBatch(len(batches) + i, 0, [n for n, _ in files], [s for _, s in files])
                for i, files in enumerate(freeze)
            ]
            journal.commit(new, stored_results)
            batches += new
            for recorded in stored_results:
                if recorded.n < len(batches) and recorded.n not in results:  # the first counts
                    results[recorded.n] = recorded
                    batches[recorded.n] = msgspec.structs.replace(
                        batches[recorded.n], digests=recorded.digests
                    )
            for again in (False, True):
                if again:
                    journal.close()
                    journal = Journal(place / "j")
                assert journal.totals == JobCounts(
                    sum(len(batch.names) for batch in batches),
                    sum(len(batches[n].names) for n in results),
                    sum(recorded.failed for recorded in results.values()),
                    reduce(add_flags, (recorded.flagged for recorded in results.values()), {}),
                )
                assert journal.last() == (batches[-1] if batches else None)
                assert journal.open_batches() == [b.n for b in batches if b.n not in results]
                assert results_in(journal.path) == [
                    (
                        b"\0".join(batches[n].names),
                        results[n].result,
                        json.dumps(results[n].flagged) if results[n].flagged else None,
                    )
                    for n in sorted(results)
                ]
                assert list(journal.names()) == [batch.names for batch in batches]
                for batch in batches:
                    assert journal.batch(batch.n) == batch
                    count = None if batch.n in results else len(batch.names)
                    assert journal.open_count(batch.n) == count
        journal.close()


def test_a_frozen_batch_is_never_frozen_again_and_the_whole_commit_is_rolled_back(
    path: Path,
) -> None:
    with closing(Journal(path)) as journal, pytest.raises(SetupError):
        journal.commit([frozen(2, b"d"), frozen(0, b"x")], [StoredResult(1, b"late", 0)])
    with closing(Journal(path)) as journal:
        assert list(journal.names()) == [[b"a", b"b"], [b"c"]]
        assert journal.open_batches() == [1]


def test_a_second_opener_is_refused_and_the_command_that_follows_is_named(path: Path) -> None:
    with closing(Journal(path)):
        with pytest.raises(UsageError, match=r"already running.*hangtag classify") as error:
            Journal(path)
        with pytest.raises(UsageError):
            Journal(path, restart=True)
        assert str(error.value).isprintable()
    Journal(path).close()


def test_a_writer_waits_for_readers_and_does_not_take_them_for_a_running_job(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Journal(path).close()
    reader = os.open(path, os.O_RDONLY)
    assert file_lock.try_share(reader)
    ended = threading.Timer(0.2, os.close, [reader])
    ended.start()
    Journal(path).close()
    ended.join()
    monkeypatch.setattr(journal_lock, "READERS_WAIT_S", 0.1)
    with open(path, "rb") as file:
        assert file_lock.try_share(file.fileno())
        with pytest.raises(UsageError, match=r"being read by another command.*again"):
            Journal(path)
    with closing(Journal(path)), open(path, "rb") as file:
        assert not file_lock.try_share(file.fileno()), "no shared lock is left"


def test_a_journal_that_is_being_read_is_not_replaced(path: Path) -> None:
    """Its log stays, and would be taken for that of the other one."""
    before = path.read_bytes()
    other = path.with_name("next")
    with closing(Journal(path)) as old, closing(Journal(other)) as new:
        with closing(sqlite3.connect(path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM job").fetchall()
            old.put(note=b"1")
            with pytest.raises(UsageError, match="being read by another command"):
                new.replace(old)
        assert path.read_bytes()[:16] == before[:16]
        assert old.get("note") == b"1"


COMMITS_AND_IS_KILLED = """
import os, signal, sys
from pathlib import Path
from producer.job.journal import Journal
from producer.job.records import FrozenBatch, StoredResult
journal = Journal(Path(sys.argv[1]))
journal.commit([FrozenBatch(2, 0, [b"d"], [(1, 2)])], [StoredResult(1, b"last", 0)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_committed_data_survives_a_kill_and_the_lock_does_not(path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", COMMITS_AND_IS_KILLED, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with closing(Journal(path)) as journal:
        assert journal.totals == JobCounts(4, 3, 1)
        assert journal.open_batches() == [2]


def test_a_restart_preserves_the_old_job_until_the_new_one_starts_empty(
    path: Path,
) -> None:
    with closing(Journal(path)) as journal:
        before = everything(journal)
    Journal(path, restart=True).close()
    with closing(Journal(path, restart=True)) as journal:
        assert everything(journal) == before
        journal.start(record=b"new")
        new = everything(journal)
        assert new == (b"new", (0, 0, 0, {}), None, [], [], [])
    with closing(Journal(path)) as journal:
        assert everything(journal) == new


def overwrite(path: Path) -> None:
    path.write_bytes(b"\x89PNG and so on" * 1000)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scramble(path: Path) -> None:
    """From the second page on: the tables, not the header."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + bytes(random.Random(0).randbytes(len(data) - 4096)))


def forbid_writing(path: Path) -> None:
    """The header says that only a later SQLite may write."""
    data = bytearray(path.read_bytes())
    data[18] = 9
    path.write_bytes(data)


def altered(statement: str) -> Callable[[Path], None]:
    def alter(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute(statement)

    return alter


@pytest.mark.parametrize(
    "damage",
    [
        *(overwrite, cut, scramble, forbid_writing),
        altered("UPDATE job SET value = 8 WHERE key = 'schema'"),
        altered("UPDATE job SET value = x'7b' WHERE key = 'record'"),
        altered("UPDATE batch SET names = x'64' WHERE n = 0"),
    ],
)
def test_a_damaged_journal_is_one_line_with_the_fix(
    path: Path, damage: Callable[[Path], None]
) -> None:
    damage(path)
    with pytest.raises(SetupError, match="--restart") as error, closing(Journal(path)) as journal:
        everything(journal)
    assert str(error.value).isprintable()
    assert not isinstance(error.value, UsageError)
    assert "another version" not in str(error.value)
    with closing(Journal(path, restart=True)) as journal:
        assert journal.has_job
        journal.start(record=b"new")
        assert everything(journal) == (b"new", (0, 0, 0, {}), None, [], [], [])


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As on a full disk, a write beyond this size fails (Python ignores SIGXFSZ)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_simulated_full_disk_is_one_line_and_preserves_committed_data(path: Path) -> None:
    journal = Journal(path)
    before = everything(journal)
    with files_no_larger_than(64 << 10), pytest.raises(SetupError, match="free space") as error:
        journal.commit([frozen(2, b"x" * (1 << 20))], [StoredResult(1, b"y" * (1 << 20), 0)])
    assert str(error.value).isprintable()
    assert everything(journal) == before
    journal.close()
    with closing(Journal(path)) as journal:
        assert everything(journal) == before
        journal.commit([frozen(2, b"x" * (1 << 20))], [StoredResult(1, b"y" * (1 << 20), 0)])
        assert journal.totals == JobCounts(4, 3, 1)


def test_an_absent_or_unwritable_folder_names_the_fix(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="choose another -o"):
        Journal(tmp_path / "absent" / f"out.csv{SUFFIX}")
    with pytest.raises(SetupError, match="choose another -o"):
        Journal(Path("/proc/out.csv.hangtag"))


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("target", [None, b"", b"letters"])
def test_a_symbolic_link_is_refused_and_its_target_is_unchanged(
    tmp_path: Path, target: bytes | None, restart: bool
) -> None:
    path, other = journal_path(tmp_path / "out.csv"), tmp_path / "other"
    if target is not None:
        other.write_bytes(target)
    path.symlink_to(other)
    with pytest.raises(UsageError, match="is a symbolic link; remove it"):
        Journal(path, restart)
    assert (other.read_bytes() if other.exists() else None) == target
    assert path.is_symlink()


def test_a_link_that_is_created_after_the_lock_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite opens the file by its path."""
    path, other = journal_path(tmp_path / "out.csv"), tmp_path / "other"
    other.touch()
    connect = sqlite3.connect

    def connect_late(*given: Any, **named: Any) -> sqlite3.Connection:
        path.unlink()
        path.symlink_to(other)
        found: sqlite3.Connection = connect(*given, **named)
        return found

    monkeypatch.setattr(sqlite3, "connect", connect_late)
    with pytest.raises(UsageError, match="was replaced"):
        Journal(path)
    assert other.read_bytes() == b""
