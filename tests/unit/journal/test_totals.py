"""Status commands read stored sums, at the same cost for a job of any size."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from producer.journal import property_table, snapshot
from producer.journal.journal import Journal, journal_path
from producer.journal.records import FrozenBatch, StoredResult
from producer.journal.snapshot import JobState, JobView, read_snapshot
from producer.journal.totals import JobCounts
from shared.errors import Damaged, Exit, SetupError
from shared.image_status import FLAGS
from shared.messages.job_record import JobRecord, encode_job

RECORD = JobRecord("abcdefgh", "name", 1, "0" * 64, "litert", 1, "out.csv", "host", 0.0)
NAME_BYTES, IMAGES = 90, 1_000
FLAG = str(FLAGS[1])
#: Reading one batch; more than that grows with the job.
MORE_BYTES = 64 << 10


def started_job(folder: Path, batches: int) -> Path:
    """Start a job in which every second batch has a result with one failure; return its output."""
    output = folder / f"{batches}.csv"
    with closing(Journal(journal_path(output))) as journal:
        journal.put(record=encode_job(RECORD))
        for n in range(batches):
            names = [b"%0*d" % (NAME_BYTES, i) for i in range(IMAGES)]
            frozen = FrozenBatch(n, 0, names, [(0, 0)] * IMAGES, bytes(4 * IMAGES), [])
            results = [StoredResult(n, bytes(9 * IMAGES), 1, {FLAG: 2})] if n % 2 == 0 else []
            journal.commit([frozen], results)
    return output


def read_bytes() -> int:
    """The bytes that this process has read so far, also from the system's cache."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("rchar"))


def cost_of(output: Path) -> tuple[JobView, int]:
    before = read_bytes()
    view = read_snapshot(output)
    assert view is not None
    return view, read_bytes() - before


def test_reading_the_totals_costs_no_more_for_a_large_job(tmp_path: Path) -> None:
    small, large = started_job(tmp_path, 1), started_job(tmp_path, 200)
    read_snapshot(small)
    (_, few), (view, many) = cost_of(small), cost_of(large)
    assert (view.images, view.done, view.failed) == (200 * IMAGES, 100 * IMAGES, 100)
    assert view.flagged == {FLAG: 200}
    assert many < few + MORE_BYTES
    # The whole journal is far larger: the test would notice it.
    assert journal_path(large).stat().st_size > 100 * MORE_BYTES


@pytest.mark.parametrize("stored", [None, b"", b"[]", b'{"frozen":"x"}', b'{"frozen":1}'])
def test_a_journal_with_missing_or_invalid_sums_is_damaged(
    tmp_path: Path, stored: bytes | None
) -> None:
    output = started_job(tmp_path, 3)
    with closing(sqlite3.connect(journal_path(output))) as database:
        database.execute("DELETE FROM job WHERE key = 'totals'")
        if stored is not None:
            property_table.put(database, totals=stored)
        database.commit()
    if stored != b'{"frozen":1}':  # reading the totals computes no sums
        view = read_snapshot(output)
        assert view is not None
        assert view.state is JobState.UNREADABLE
    with pytest.raises(Damaged, match="--restart"):
        Journal(journal_path(output))


def test_sums_and_batches_change_atomically(tmp_path: Path) -> None:
    output = started_job(tmp_path, 2)
    with closing(Journal(journal_path(output))) as journal:
        again = FrozenBatch(1, 0, [b"x"], [(0, 0)], bytes(4), [])  # a number that exists already
        with pytest.raises(SetupError):
            journal.commit([again], [StoredResult(1, b"r", 5)])
        journal.commit(results=[StoredResult(1, b"r", 5)])
        journal.commit(results=[StoredResult(1, b"r", 7)])  # late: it has a result
    view = read_snapshot(output)
    assert view is not None
    assert (view.done, view.failed) == (2 * IMAGES, 1 + 5)


def test_reading_the_totals_of_a_stopped_job_leaves_no_files(tmp_path: Path) -> None:
    output = started_job(tmp_path, 2)
    before = sorted(tmp_path.iterdir())
    view = read_snapshot(output)
    assert view is not None
    assert (view.state, view.images) == (JobState.PAUSED, 2 * IMAGES)
    assert sorted(tmp_path.iterdir()) == before
    with closing(Journal(journal_path(output))) as journal:
        journal.put(exit=b"0")  # it is in the log, and not in the file
        view = read_snapshot(output)
        assert view is not None
        assert view.exit_code == Exit.OK
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("ends", [False, True])
def test_concurrent_writes_of_a_producer_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    """The producer starts, and may end, just before the file is read as immutable."""
    output = started_job(tmp_path, 2)
    query = snapshot._query
    with ExitStack() as stack:

        def late(path: Path, immutable: bool) -> tuple[dict[str, bytes], JobCounts]:
            monkeypatch.setattr(snapshot, "_query", query)
            found = query(path, immutable)
            journal = stack.enter_context(closing(Journal(path)))
            journal.put(exit=b"0")
            if ends:
                journal.close()
                stack.pop_all()
            return found

        monkeypatch.setattr(snapshot, "_query", late)
        view = read_snapshot(output)
    assert view is not None
    assert view.exit_code == Exit.OK
