"""Repeats of a job: failed rows get new results and all others stay, at every moment."""

from __future__ import annotations

import sqlite3
import struct
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.job import property_table
from producer.job.journal import Journal
from producer.job.records import FrozenBatch, RowPlace, StoredResult
from producer.job.row_batch import AS_CLASSIFIED, START
from producer.job.totals import JobCounts, load_counts, sums
from producer.run.job import Job
from shared.errors import Exit, SetupError
from shared.image_status import BY_CODE, FLAGS, Status
from shared.messages.batch import BatchResult, encode_result
from tests.support.jobs.finished_job import RUBBISH, finish, options_of

#: One row: its status and, where that is `ok`, its label and flag.
Row = tuple[Status, int, int]
rows = st.tuples(st.sampled_from(BY_CODE), st.integers(0, 9), st.integers(0, len(FLAGS) - 1)).map(
    lambda row: row if row[0] is Status.OK else (row[0], 0, 0)
)
batches = st.lists(st.lists(rows, min_size=1, max_size=5), min_size=1, max_size=4)
K = 2


def result(predictions: list[Row]) -> BatchResult:
    """The result of a worker; a row has its own label and the next one."""
    flags = bytes(flag for _, _, flag in predictions)
    return BatchResult(
        K,
        bytes(status.code for status, _, _ in predictions),
        b"".join(struct.pack("<2H", label, (label + 1) % 10) for _, label, _ in predictions),
        b"".join(struct.pack("<2f", label / 10, label / 20) for _, label, _ in predictions),
        flags if any(flags) else b"",
    )


def recorded(n: int, predictions: list[Row]) -> StoredResult:
    encoded = result(predictions)
    kinds = {str(f): encoded.flags.count(f.code) for f in FLAGS[1:] if f.code in encoded.flags}
    return StoredResult(n, encode_result(encoded), encoded.failed, kinds)


def frozen(n: int, count: int, places: list[RowPlace] = [], again: int = 0) -> FrozenBatch:  # noqa: B006
    names = [b"%d-%d" % place for place in places or ((n, i) for i in range(count))]
    return FrozenBatch(n, 0, names, [(again, n)] * count, bytes([again] * 4) * count, places)


def stored_sums(path: Path) -> JobCounts:
    """The sums that status commands read; they equal those of the batches."""
    with closing(sqlite3.connect(path)) as database:
        found = load_counts(property_table.read(database))
        assert found == sums(database)
        return found


@given(batches, st.data())
def test_the_journal_equals_one_whose_rows_had_their_last_result_at_once(
    predictions: list[list[Row]], data: st.DataObject
) -> None:
    """Repeats of any size, whose results come in any order or not at all; reopened at any point."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path = Path(folder) / "j"
        journal = Journal(path)
        stack.callback(lambda: journal.close())  # also where Hypothesis ends an example early
        for n, of_batch in enumerate(predictions):
            journal.commit([frozen(n, len(of_batch))], [recorded(n, of_batch)])
        now = [list(of_batch) for of_batch in predictions]
        stamps = [[0] * len(of_batch) for of_batch in predictions]
        for turn in range(1, data.draw(st.integers(1, 3)) + 1):
            waiting = {
                (n, i) for n, b in enumerate(now) for i, row in enumerate(b) if row[0] != "ok"
            }
            assert journal.repeat(K) == len(waiting)
            under_way: dict[int, list[RowPlace]] = {}
            seen = journal.failed_rows()
            listed: list[RowPlace] = []
            while True:
                if data.draw(st.booleans()):
                    journal.close()
                    journal = Journal(path)
                    seen = journal.failed_rows()
                places = [
                    p for _, (p, _) in zip(range(data.draw(st.integers(1, 4))), seen, strict=False)
                ]
                if places:
                    n = journal.next_number()
                    journal.commit([frozen(n, len(places), places, turn)])
                    seen = journal.failed_rows()
                    under_way[n] = places
                    listed += places
                assert sorted(under_way) == journal.open_batches()
                if under_way and (not places or data.draw(st.booleans())):
                    n = data.draw(st.sampled_from(sorted(under_way)))
                    new = [data.draw(rows) for _ in under_way[n]]
                    journal.commit(results=[recorded(n, new), recorded(n, new[::-1])])
                    for (batch, index), row in zip(under_way.pop(n), new, strict=True):
                        now[batch][index] = row
                        stamps[batch][index] = turn
                        waiting.discard((batch, index))
                failed = sum(
                    row[0] != "ok" and (n, i) not in waiting
                    for n, b in enumerate(now)
                    for i, row in enumerate(b)
                )
                total = sum(map(len, now))
                assert (journal.totals.images, journal.totals.done, journal.totals.failed) == (
                    total, total - len(waiting), failed
                )  # fmt: skip
                assert stored_sums(path) == journal.totals
                if not places and (not under_way or data.draw(st.booleans())):
                    break  # or leave some open for the next turn
            assert listed == sorted(set(listed))
            assert waiting == {place for places in under_way.values() for place in places}
        for n, of_batch in enumerate(now):
            names = [b"%d-%d" % (n, i) for i in range(len(of_batch))]
            stored = list(journal.row_batches())[n]
            assert stored.names == names
            assert stored.result == result(of_batch)
            assert [stamp[0] for stamp in journal.batch(n).stamps] == stamps[n]
            assert list(journal.batch(n).digests[::4]) == stamps[n]
        last = journal.last()
        assert last is not None
        assert last.n == len(now) - 1
        kinds = [FLAGS[flag] for of_batch in now for _, _, flag in of_batch if flag]
        assert journal.totals.flagged == {str(f): kinds.count(f) for f in FLAGS if f in kinds}


def test_files_of_open_batches_are_read_again_and_their_late_results_are_dropped(
    tmp_path: Path,
) -> None:
    bad: Row = (Status.UNREADABLE, 0, 0)
    good: Row = (Status.OK, 3, 0)
    with closing(Journal(tmp_path / "j")) as journal:
        journal.commit([frozen(0, 1), frozen(1, 2)], [recorded(0, [bad])])
        assert [batch.end.n for batch in journal.final_row_batches(AS_CLASSIFIED, START)] == [0]
        assert journal.repeat(K) == 3
        assert list(journal.final_row_batches(AS_CLASSIFIED, START)) == []
        assert [place for place, _ in journal.failed_rows()] == [(0, 0), (1, 0), (1, 1)]
        journal.commit(results=[recorded(1, [bad, bad])])  # a result for the former files
        journal.commit([frozen(2, 3, [(0, 0), (1, 0), (1, 1)], 1)], [recorded(2, [good] * 3)])
        assert [batch.statuses for batch in journal.row_batches()] == [b"\0", b"\0\0"]
        assert journal.next_number() == 3


def test_a_repeat_of_an_absent_batch_is_damage(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j")) as journal:
        journal.commit([frozen(7, 1, [(3, 0)])])
        with pytest.raises(SetupError, match="--restart"):
            journal.commit(results=[recorded(7, [(Status.OK, 1, 0)])])


def test_a_missing_repeat_is_damage(tmp_path: Path) -> None:
    """Its rows would wait forever."""
    with closing(Journal(tmp_path / "j")) as journal:
        journal.commit([frozen(0, 2)], [recorded(0, [(Status.UNREADABLE, 0, 0)] * 2)])
        journal.repeat(K)
        journal.commit([frozen(1, 1, [(0, 0)]), frozen(2, 1, [(0, 1)])])
    with closing(sqlite3.connect(tmp_path / "j", isolation_level=None)) as database:
        database.execute("DELETE FROM batch WHERE n = 1")
    with pytest.raises(SetupError, match=r"batch 1 is missing; .*--restart"):
        Journal(tmp_path / "j")


def test_an_interrupted_retry_goes_on_and_one_beyond_its_budget_starts_again(
    tmp_path: Path,
) -> None:
    (tmp_path / "in").mkdir()
    for n in range(7):
        (tmp_path / f"in/{n}.png").write_bytes(RUBBISH)
    options = options_of(tmp_path, b"in")
    finish(options)
    finish(options, retry_failed=True, stop_after=4)  # the second batch of three has no result
    with closing(Job(options)) as job:
        assert job.repeat_failed() == 4
        job.store_stop(Exit.BUDGET)
        assert job.repeat_failed() == 7
