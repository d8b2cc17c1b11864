"""A journal whose bytes rot on the disk: what is made of it is right, or it is refused."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from producer.inputs.job_options import JobOptions
from producer.journal.journal import Journal, journal_path
from producer.verify.verify import verify
from shared.errors import Damaged, HangtagError
from tests.support.jobs.finished_job import RUBBISH, finish, options_of

FILES, BATCH_IMAGES = 60, 8
#: With a batch that is frozen and has no result, and files that are in no batch.
STOPPED_AFTER = 4
TRIALS = 100
SEED = 15
PAGE_BYTES = 4096


class Kept:
    """A job whose journal can be put back, and the table that it must end with."""

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
        """Have these bytes in the journal's place, and no table."""
        for path in self.table.parent.glob("out.csv*"):
            path.unlink()
        self.journal.write_bytes(journal)

    def finish(self) -> None:
        """What the same command does: resume, or write the table that is gone again."""
        finish(self.options, self._batch_images)


@pytest.fixture(scope="module", params=[STOPPED_AFTER, None], ids=["stopped", "finished"])
def kept(request: pytest.FixtureRequest) -> Iterator[Kept]:
    with tempfile.TemporaryDirectory() as folder:
        yield Kept(Path(folder), FILES, BATCH_IMAGES, request.param)


def rotten(whole: bytes, chance: random.Random) -> bytes:
    """With one bit flipped."""
    at = chance.randrange(8 * len(whole))
    data = bytearray(whole)
    data[at // 8] ^= 1 << at % 8
    return bytes(data)


def outcome(kept: Kept, journal: bytes) -> str:
    """What `verify`, the same command, and `verify` come to; fails where one is wrong."""
    kept.put(journal)
    assert tried(lambda: verify(kept.table).proven) is not True, "there is no table"
    said = tried(kept.finish)
    if said is None:
        assert kept.table.read_bytes() == kept.truth
        assert verify(kept.table).proven
        return "right"
    assert str(kept.journal) in str(said)
    assert not kept.table.exists()
    kept.table.write_bytes(kept.truth.replace(b",unsupported,", b",unreadable,", 1))
    assert tried(lambda: verify(kept.table).proven) is not True
    kept.table.write_bytes(kept.truth)
    tried(lambda: verify(kept.table))  # it may prove a table that is right
    return "refused"


def tried(work: Callable[[], object]) -> object:
    """Its result, or what it says; a traceback fails the test."""
    try:
        return work()
    except HangtagError as error:
        text = str(error)
    assert text.isprintable()
    return text


def test_a_rotten_journal_is_refused_or_makes_the_table_that_it_must(kept: Kept) -> None:
    chance = random.Random(SEED)
    outcomes = Counter(outcome(kept, rotten(kept.whole, chance)) for _ in range(TRIALS))
    assert min(outcomes.values()) > TRIALS / 10, outcomes


def test_so_is_one_whose_structure_rots(kept: Kept) -> None:
    """The header of the file and those of its pages: records vanish, or change their places."""
    chance = random.Random(SEED)
    for page in range(0, len(kept.whole), PAGE_BYTES):
        for at in (*range(16, 32), *range(100, 124)) if page == 0 else range(24):
            data = bytearray(kept.whole)
            data[page + at] ^= 1 << chance.randrange(8)
            outcome(kept, bytes(data))


def test_a_damaged_result_is_computed_again_until_the_job_is_finished(kept: Kept) -> None:
    kept.put(kept.whole)
    with closing(sqlite3.connect(kept.journal)) as database:
        database.execute("UPDATE batch SET result = zeroblob(length(result)) WHERE n = 1")
        database.commit()
    if kept.stopped:
        with closing(Journal(kept.journal)) as journal:
            assert journal.reopened == BATCH_IMAGES
            assert journal.open_batches() == [1, STOPPED_AFTER]
        kept.finish()
        assert kept.table.read_bytes() == kept.truth
    else:
        with pytest.raises(Damaged, match=r"result of batch 1 is damaged.*--restart"):
            kept.finish()


def test_a_damaged_log_of_commits_loses_the_last_of_them_and_no_more(kept: Kept) -> None:
    """As a producer leaves it that was killed."""
    kept.put(kept.whole)
    log = Path(f"{kept.journal}-wal")
    with closing(Journal(kept.journal)) as journal:
        for i in range(8):
            journal.put(note=b"%d" % i * 500)
        journal_left, log_left = kept.journal.read_bytes(), log.read_bytes()
    chance = random.Random(SEED)
    for _ in range(TRIALS // 4):
        kept.put(journal_left)
        log.write_bytes(rotten(log_left, chance))
        kept.finish()
        assert kept.table.read_bytes() == kept.truth
        assert verify(kept.table).proven
