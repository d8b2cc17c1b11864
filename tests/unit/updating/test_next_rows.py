"""Many updates leave batches of about the usual size, and copy the others as they are."""

from __future__ import annotations

from collections.abc import Iterator

from producer.journal.records import Record
from producer.updating.merge import BatchEnd, Kept, Kind, Part, Waiting
from producer.updating.next_rows import FULL, IMAGES, next_records
from shared.messages.batch import encode_result
from shared.messages.files import STAMP, digests
from tests.support.jobs.finished_job import answered


def record(n: int, count: int) -> Record:
    contents = [b"%d" % i for i in range(count)]
    result = answered(list(contents))
    names = b"\0".join(b"%06d-%06d" % (n, i) for i in range(count))
    stamps = STAMP.pack(1, n) * count
    data = encode_result(result)
    return Record(n, 0, count, names, stamps, digests(contents), None, 0, None, 0, data)


def parts(records: list[Record], gone: int = -1, new_before: int = -1) -> Iterator[Part]:
    """All rows, without one, with a new one before another, counted from 0."""
    at = 0
    for one in records:
        rows, start = one.rows(), 0
        for i in range(len(rows)):
            if at in (gone, new_before):
                if start < i:
                    yield Kept(one, rows, start, i, [0] * (i - start))
                start = i + (at == gone)
                if at == new_before:
                    yield Waiting(Kind.NEW, b"new", 0)
            at += 1
        if start < len(rows):
            yield Kept(one, rows, start, len(rows), [0] * (len(rows) - start))
        yield BatchEnd()


def sizes(records: list[Record]) -> list[int]:
    return [one.images for one in records]


def test_batches_that_stay_whole_are_copied() -> None:
    before = [record(n, IMAGES) for n in range(4)]
    now = list(next_records(parts(before, new_before=IMAGES + 7), 0, 1))
    assert sizes(now) == [IMAGES, IMAGES + 1, IMAGES, IMAGES]
    assert [now[n] for n in (0, 2, 3)] == [before[n] for n in (0, 2, 3)]


def test_small_batches_are_put_together() -> None:
    """Those of photographs have few images each, since their bytes are bounded."""
    before = [record(n, 10) for n in range(1_000)]
    now = list(next_records(parts(before, gone=0), 0, 1))
    assert sum(sizes(now)) == 9_999
    assert min(sizes(now[:-1])) >= FULL
    assert [name for one in now for name in one.names.split(b"\0")] == [
        name for one in before for name in one.names.split(b"\0")
    ][1:]


def test_many_new_files_in_one_place_are_divided() -> None:
    new = (Waiting(Kind.NEW, b"%06d" % n, 0) for n in range(5 * IMAGES + 1))
    now = list(next_records(new, 7, 1))
    assert [one.n for one in now] == list(range(7, 7 + len(now)))
    assert max(sizes(now)) < 2 * IMAGES
    assert min(sizes(now)) >= IMAGES
    assert all((one.failed, one.again) == (0, one.images) for one in now)


def test_many_updates_leave_no_small_batches() -> None:
    records = [record(n, IMAGES) for n in range(3)]
    for n in range(200):
        now = list(next_records(parts(records, gone=n * 7, new_before=n * 11 + 3), 0, 1))
        records = [one._replace(again=0, failed=0) if one.again else one for one in now]
    assert sum(sizes(records)) == 3 * IMAGES
    assert min(sizes(records)) >= FULL
    assert max(sizes(records)) <= 2 * IMAGES
