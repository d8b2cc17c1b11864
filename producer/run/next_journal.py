"""The next journal of a table, formed beside the one that it is to replace.

It is that of a job as any other, with the same id and version: rows that are to be classified are
rows that it repeats. An old batch whose rows all stay is copied as it is; new files join the batch
that they lie in. Batches of new files alone would be copied into no other, but then every reader of
a table would merge batches into its order; as it is, each reads them in one pass. Repeats are
batched when they are sent, by bytes and speed, however many small changes or new files there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path

import msgspec

from producer.job.job_properties import FILE_COUNT, NUMBERS, TABLE
from producer.job.journal import WALKED, Journal, discard_next, next_journal
from producer.job.records import Record, flags_text
from producer.job.retries import ONLY_CHANGED
from producer.job.skipped import SKIPPED, UNLISTED
from producer.run.changes import Changes, Stretch
from producer.sources.compared import KnownRow, PresentFiles
from shared.errors import Damaged, UsageError
from shared.failpoints import failpoint
from shared.image_status import Status, count_flags
from shared.messages.batch import KINDS, BatchResult, encode_result
from shared.messages.files import NO_DIGEST, NO_STAMP, STAMP

#: The rows that a batch may grow to.
IMAGES_MAX = 4_096
#: The property of a next journal with the digest of the one that it was formed from.
_FORMED_FROM = "formed-from"
#: Of the journal that is replaced, as they are.
_COPIED = ("record", "card", "options", "display", TABLE)


def interrupted_update(old: Journal, output: Path) -> Journal | None:
    """The next journal of what the old one has, open. Any other is removed, also a damaged one: the
    old one has all that counts."""
    path = next_journal(output)
    if os.path.lexists(path):
        with suppress(Damaged):
            formed = Journal(path)
            if formed.get(_FORMED_FROM) == old.properties_digest():
                return formed
            formed.close()
    discard_next(output)
    return None


def form_next_journal(
    old: Journal,
    output: Path,
    changes: Changes,
    present: PresentFiles,
    passed: Callable[[int], None] = lambda rows: None,
) -> Journal | None:
    """The next journal, open; None if its rows would be the same. `passed` gets the number of rows
    of each batch.

    Raises:
        UsageError: no file is left.
        SetupError: a folder cannot be listed, or the journal cannot be written.
        Stopped: it was ended.
    """
    formed = _passed(_records(changes.stretches(old), old.record.top_k), passed)
    last, differs = -1, None
    for n, differs in zip(old.finished_numbers(), formed, strict=False):
        if differs.n != n:
            break
        last, differs = n, None
    else:
        differs = next(formed, None)
    if differs is None and not any(changes.counts.values()):
        return None
    same = old.finished_records(until=last)
    records = chain(same, [] if differs is None else [differs], formed)
    new = Journal(next_journal(output))
    try:
        new.adopt(
            (record._replace(n=n) for n, record in enumerate(records)),
            lambda: _properties(old, new, output, present),
        )
    except BaseException:
        new.close(remove=True)
        raise
    failpoint("update.formed")
    return new


def _passed(records: Iterator[Record], passed: Callable[[int], None]) -> Iterator[Record]:
    for record in records:
        yield record
        passed(record.images)


def _properties(
    old: Journal, new: Journal, output: Path, present: PresentFiles
) -> dict[str, bytes]:
    """Raises UsageError if no row is left."""
    if not new.totals.images:
        raise UsageError(
            f"no image of {output} is left where it was, so its table stays as it is; connect the "
            "disk of its images, or start over with: hangtag classify --restart"
        )
    return {
        **{key: value for key in _COPIED if (value := old.get(key)) is not None},
        WALKED: b"1",
        ONLY_CHANGED: b"1",
        NUMBERS: b"%d" % (old.next_number() + 1),
        FILE_COUNT: b"%d" % new.totals.images,
        SKIPPED: msgspec.json.encode(present.skipped),
        UNLISTED: msgspec.json.encode(present.unlisted),
        _FORMED_FROM: old.properties_digest(),
    }


def _records(runs: Iterable[Stretch], k: int) -> Iterator[Record]:
    """The batches of these rows, of which each has `k` labels. One that is as before has its
    number, others have -1."""
    batch, images, most = list[Stretch](), 0, IMAGES_MAX
    for run in runs:
        starts = run.known is not None and run.start == 0  # an old batch
        if batch and (starts or images + len(run) > most):
            yield _record(batch, k)
            batch, images = [], 0
        if starts and run.known is not None:
            most = max(IMAGES_MAX, run.known.record.images)
        batch.append(run)
        images += len(run)
    if batch:
        yield _record(batch, k)


def _record(batch: Sequence[Stretch], k: int) -> Record:
    first = batch[0]
    if first.known is not None and len(batch) == 1:
        before = first.known.record
        if before.images == len(first) and before.argument == first.argument:
            return before
    return _put_together(batch, k)


def _put_together(batch: Sequence[Stretch], k: int) -> Record:
    """A batch of rows with their answers, and of rows that are to be classified."""

    def joined(column: Callable[[KnownRow], bytes], new: bytes) -> bytes:
        return b"".join(_cells(run, column, new) for run in batch)

    empty, columns = BatchResult(k, b"", b"", b""), dict[str, bytes]()
    for name in KINDS:
        new = bytes([Status.CHANGED.code]) if name == "statuses" else bytes(empty.width(name))
        columns[name] = joined(partial(_column, name), new)
    result = BatchResult.from_columns(k, columns)
    names = [name for run in batch for name in run.names[run.start : run.stop]]
    again = sum(len(run) for run in batch if run.known is None)
    digests = joined(lambda row: row.record.digests, NO_DIGEST)
    return Record(
        n=-1,
        argument=batch[-1].argument,
        images=len(names),
        names=b"\0".join(names),
        stamps=joined(lambda row: row.record.stamps, STAMP.pack(*NO_STAMP)),
        digests=digests if again or any(digests) else b"",
        places=None,
        failed=result.failed - again,
        flagged=flags_text(count_flags(result.flags)),
        again=again,
        result=encode_result(result),
    )


def _cells(run: Stretch, column: Callable[[KnownRow], bytes], new: bytes) -> bytes:
    """Those of a column of the old batch, if it has one; `new` for each other row."""
    width, cells = len(new), b""
    if run.known is not None:
        cells = column(run.known)[run.start * width : run.stop * width]
    return cells or new * len(run)


def _column(name: str, known: KnownRow) -> bytes:
    return known.rows.result.column(name)
