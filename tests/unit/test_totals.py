"""What a look at a job reads: sums that are kept, at the same cost for a job of any size."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from producer import properties
from producer.frozen import Frozen
from producer.journal import Journal, journal_path
from producer.peek import JobView, State, peek
from producer.recorded import Recorded
from shared.contract import JobRecord, encode_job
from shared.errors import Damaged, SetupError
from shared.flag import FLAGS

RECORD = JobRecord("abcdefgh", "name", 1, "0" * 64, "litert", 1, "out.csv", "host", 0.0)
NAME_BYTES, IMAGES = 90, 1_000
FLAG = str(FLAGS[1])
#: A look at one batch; whatever is read beyond that grows with the job.
MORE_BYTES = 64 << 10


def begun(folder: Path, batches: int) -> Path:
    """The output of a job, of which one batch in two has its result, with one failure each."""
    output = folder / f"{batches}.csv"
    with closing(Journal(journal_path(output))) as journal:
        journal.put(record=encode_job(RECORD))
        for n in range(batches):
            names = [b"%0*d" % (NAME_BYTES, i) for i in range(IMAGES)]
            frozen = Frozen(n, 0, names, [(0, 0)] * IMAGES, bytes(4 * IMAGES), [])
            results = [Recorded(n, bytes(9 * IMAGES), 1, {FLAG: 2})] if n % 2 == 0 else []
            journal.commit([frozen], results)
    return output


def read_bytes() -> int:
    """What this process has read so far, also out of the system's cache."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("rchar"))


def cost_of(output: Path) -> tuple[JobView, int]:
    before = read_bytes()
    view = peek(output)
    assert view is not None
    return view, read_bytes() - before


def test_a_look_at_a_job_reads_no_more_for_a_large_one(tmp_path: Path) -> None:
    small, large = begun(tmp_path, 1), begun(tmp_path, 200)
    peek(small)
    (_, few), (view, many) = cost_of(small), cost_of(large)
    assert (view.images, view.done, view.failed) == (200 * IMAGES, 100 * IMAGES, 100)
    assert view.flagged == {FLAG: 200}
    assert many < few + MORE_BYTES
    # All of it is far more than that: the test would see it.
    assert journal_path(large).stat().st_size > 100 * MORE_BYTES


@pytest.mark.parametrize("kept", [None, b"", b"[]", b'{"frozen":"x"}', b'{"frozen":1}'])
def test_a_journal_without_its_sums_or_with_others_is_damaged(
    tmp_path: Path, kept: bytes | None
) -> None:
    output = begun(tmp_path, 3)
    with closing(sqlite3.connect(journal_path(output))) as database:
        database.execute("DELETE FROM job WHERE key = 'totals'")
        if kept is not None:
            properties.put(database, totals=kept)
        database.commit()
    if kept != b'{"frozen":1}':  # a look at a job adds nothing up
        view = peek(output)
        assert view is not None
        assert view.state is State.UNREADABLE
    with pytest.raises(Damaged, match="--restart"):
        Journal(journal_path(output))


def test_sums_and_batches_change_together_or_not_at_all(tmp_path: Path) -> None:
    output = begun(tmp_path, 2)
    with closing(Journal(journal_path(output))) as journal:
        again = Frozen(1, 0, [b"x"], [(0, 0)], bytes(4), [])  # a number that is taken
        with pytest.raises(SetupError):
            journal.commit([again], [Recorded(1, b"r", 5)])
        journal.commit(results=[Recorded(1, b"r", 5)])
        journal.commit(results=[Recorded(1, b"r", 7)])  # late: it has its result
    view = peek(output)
    assert view is not None
    assert (view.done, view.failed) == (2 * IMAGES, 1 + 5)
