"""Status commands read stored sums, at the same cost for a job of any size."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from producer.job import property_table
from producer.job.journal import Journal, journal_path
from producer.job.records import FrozenBatch, StoredResult
from producer.job.snapshot import JobState, read_snapshot
from shared.errors import Damaged, SetupError
from shared.image_status import FLAGS
from shared.messages.batch import JobRecord, encode_job

RECORD = JobRecord("abcdefgh", "name", 1, "0" * 64, "litert", 1, "out.csv", "host", 0.0)
NAME_BYTES, IMAGES = 90, 1_000
FLAG = str(FLAGS[1])


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
