"""Bit rot in a journal: the table is right, or the journal is refused."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from producer.job.job_options import JobOptions
from producer.job.journal import Journal, journal_path
from producer.job.records import FrozenBatch
from producer.table.verify import verify
from shared.errors import Damaged, HangtagError
from shared.messages.files import NO_STAMP
from tests.support.jobs.finished_job import RUBBISH, finish, options_of

FILES, BATCH_IMAGES = 60, 8
#: With a frozen batch without a result, and files that are in no batch.
STOPPED_AFTER = 4
TRIALS = 100
SEED = 15
PAGE_BYTES = 4096


class StoredJob:
    """A job with a replaceable journal, and the table that it must end with."""

    def __init__(self, folder: Path, files: int, batch_images: int, stop_after: int | None) -> None:
        self._batch_images, self.stopped = batch_images, stop_after is not None
        for i in range(files):
            path = folder / f"photos/{i // 20:03}/{i:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"%d" % i if i % 10 else RUBBISH)
        self.options: JobOptions = options_of(folder, b"photos")
        self.table = folder / "out.csv"
        self.journal = journal_path(self.table)
        finish(self.options, batch_images)
        self.truth = self.table.read_bytes()
        if stop_after is not None:
            self.journal.unlink()
            self.table.unlink()
            finish(self.options, batch_images, stop_after=stop_after)
        self.whole = self.journal.read_bytes()
        assert not Path(f"{self.journal}-wal").exists()

    def put(self, journal: bytes) -> None:
        """Replace the journal by these bytes, and delete the table."""
        for path in self.table.parent.glob("out.csv*"):
            path.unlink()
        self.journal.write_bytes(journal)

    def finish(self) -> None:
        """Run the same command: resume, or write the deleted table again."""
        finish(self.options, self._batch_images)


@pytest.fixture(scope="module", params=[STOPPED_AFTER, None], ids=["stopped", "finished"])
def stored_job(request: pytest.FixtureRequest) -> Iterator[StoredJob]:
    with tempfile.TemporaryDirectory() as folder:
        yield StoredJob(Path(folder), FILES, BATCH_IMAGES, request.param)


def rotten(whole: bytes, chance: random.Random) -> bytes:
    """The data with one bit flipped."""
    at = chance.randrange(8 * len(whole))
    data = bytearray(whole)
    data[at // 8] ^= 1 << at % 8
    return bytes(data)


def outcome(stored_job: StoredJob, journal: bytes) -> str:
    """The outcome of `verify`, the same command, and `verify`; fails where one is wrong."""
    stored_job.put(journal)
    assert tried(lambda: verify(stored_job.table).proven) is not True, "there is no table"
    message = tried(stored_job.finish)
    if message is None:
        assert stored_job.table.read_bytes() == stored_job.truth
        assert verify(stored_job.table).proven
        return "right"
    assert str(stored_job.journal) in str(message)
    assert not stored_job.table.exists()
    stored_job.table.write_bytes(stored_job.truth.replace(b",unsupported,", b",unreadable,", 1))
    assert tried(lambda: verify(stored_job.table).proven) is not True
    stored_job.table.write_bytes(stored_job.truth)
    tried(lambda: verify(stored_job.table))  # it may prove a correct table
    return "refused"


def tried(work: Callable[[], object]) -> object:
    """The result of a call, or its error message; a traceback fails the test."""
    try:
        return work()
    except HangtagError as error:
        text = str(error)
    assert text.isprintable()
    return text


def test_a_rotten_journal_is_refused_or_makes_the_right_table(stored_job: StoredJob) -> None:
    chance = random.Random(SEED)
    outcomes = Counter(outcome(stored_job, rotten(stored_job.whole, chance)) for _ in range(TRIALS))
    assert min(outcomes.values()) > TRIALS / 10, outcomes


def test_a_journal_with_rotten_structure_is_refused_or_makes_the_right_table(
    stored_job: StoredJob,
) -> None:
    """The header of the file and those of its pages: records vanish, or move."""
    chance = random.Random(SEED)
    for page in range(0, len(stored_job.whole), PAGE_BYTES):
        for at in (*range(16, 32), *range(100, 124)) if page == 0 else range(24):
            data = bytearray(stored_job.whole)
            data[page + at] ^= 1 << chance.randrange(8)
            outcome(stored_job, bytes(data))


#: Also the number of its failed rows is lost.
DAMAGE = "UPDATE batch SET result = zeroblob(length(result)), failed = failed + 1 WHERE n = 1"


def test_a_damaged_result_is_computed_again_until_the_job_is_finished(
    stored_job: StoredJob,
) -> None:
    stored_job.put(stored_job.whole)
    with closing(sqlite3.connect(stored_job.journal)) as database:
        database.execute(DAMAGE)
        database.commit()
    if stored_job.stopped:
        with closing(Journal(stored_job.journal)) as journal:
            assert journal.reopened == BATCH_IMAGES
            assert journal.open_batches() == [1, STOPPED_AFTER]
        stored_job.finish()
        assert stored_job.table.read_bytes() == stored_job.truth
    else:
        with pytest.raises(Damaged, match=r"result of batch 1 is damaged.*--restart"):
            stored_job.finish()


def test_a_damaged_result_is_refused_where_the_last_batch_is_missing(tmp_path: Path) -> None:
    """Its rows would be missing in the table."""
    job = StoredJob(tmp_path, FILES, BATCH_IMAGES, STOPPED_AFTER)
    with closing(sqlite3.connect(job.journal)) as database:
        database.execute(DAMAGE)
        database.execute("DELETE FROM batch WHERE n = ?", (STOPPED_AFTER,))
        database.commit()
    with pytest.raises(Damaged, match="--restart"):
        job.finish()


def test_a_damaged_result_is_refused_once_failed_rows_are_repeated(tmp_path: Path) -> None:
    """Computed again, it could have failed rows that the repeats have passed."""
    job = StoredJob(tmp_path, FILES, BATCH_IMAGES, None)
    with closing(Journal(job.journal)) as journal:
        assert journal.repeat(1) == FILES // 10
        (place, name), *_ = journal.failed_rows()
        n = journal.next_number()
        journal.commit([FrozenBatch(n, 0, [name], [NO_STAMP], places=[place])])
    with closing(sqlite3.connect(job.journal)) as database:
        database.execute(DAMAGE)
        database.commit()
    before = job.journal.read_bytes()
    with pytest.raises(Damaged, match="--restart"):
        job.finish()
    assert job.table.read_bytes() == job.truth
    assert job.journal.read_bytes() == before


def test_a_damaged_write_ahead_log_loses_only_its_last_commits(stored_job: StoredJob) -> None:
    """As a killed producer leaves it."""
    stored_job.put(stored_job.whole)
    log = Path(f"{stored_job.journal}-wal")
    with closing(Journal(stored_job.journal)) as journal:
        for i in range(8):
            journal.put(note=b"%d" % i * 500)
        journal_left, log_left = stored_job.journal.read_bytes(), log.read_bytes()
    chance = random.Random(SEED)
    for _ in range(TRIALS // 4):
        stored_job.put(journal_left)
        log.write_bytes(rotten(log_left, chance))
        stored_job.finish()
        assert stored_job.table.read_bytes() == stored_job.truth
        assert verify(stored_job.table).proven
