"""The next journal of a table, formed beside the one that it is to replace.

It is a job as any other, of a table beside the table, with the same id and version: the rows that
are to be classified are rows that it repeats. Until it replaces the other one, that one and its
table are as they were.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.inputs.job_options import JobOptions
from producer.inputs.skipped import SKIPPED, UNLISTED, encode_skipped, encode_unlisted
from producer.journal import schema
from producer.journal.following import (
    FOLLOWING,
    Following,
    discard,
    encode_following,
    next_output,
    settle_held,
)
from producer.journal.job_properties import FILE_COUNT, UPDATES
from producer.journal.journal import NUMBERS, WALKED, Journal, journal_path
from producer.journal.records import Record
from producer.journal.retries import ONLY_CHANGED
from producer.locations.present_files import PresentFiles
from producer.updating.merge import BatchEnd, Kept, Merge, Part
from producer.updating.next_rows import FULL, next_records
from shared import atomic_file
from shared.errors import Damaged, HangtagError, UsageError
from shared.failpoints import failpoint

#: The property of a next journal with the digest of the one that it was formed from.
_FORMED_FROM = "formed-from"
#: Of the journal that is replaced, as they are.
_COPIED = ("record", "card", "options", "display")
_REMEDY = "fix this and run the same command again"


def next_options(options: JobOptions) -> JobOptions:
    """The options of the job whose table is to replace that of these."""
    return msgspec.structs.replace(options, output=str(next_output(Path(options.output))))


def is_formed(old: Journal, output: Path) -> bool:
    """Whether there is a next journal of what the old one has. Any other is removed, also a damaged
    one: the old one has all that counts."""
    path = journal_path(next_output(output))
    if os.path.lexists(path):
        with suppress(Damaged), closing(Journal(path)) as formed:
            if formed.has_started and formed.get(_FORMED_FROM) == old.properties_digest():
                return True
    discard(output)
    return False


def form(
    old: Journal,
    output: Path,
    merge: Merge,
    present: PresentFiles,
    passed: Callable[[int], None] = lambda rows: None,
) -> bool:
    """Form the next journal; false if its rows would be the same. `passed` gets the number of rows
    of each batch that was compared.

    Raises:
        UsageError: no file is left.
        SetupError: a folder cannot be listed, or the journal cannot be written.
        Stopped: it was ended.
    """
    parts = _passed(merge.parts(old), passed)
    same, part = _until_difference(parts, old, present)
    if part is None:
        return False
    changed = chain(_put_together(old, same, present), [part], parts)
    rows = chain(
        _numbered(old.finished_records(until=same.full)),
        next_records(changed, same.copied, old.record.top_k),
    )
    try:
        with closing(Journal(journal_path(next_output(output)))) as new:
            new.adopt(rows, lambda: _properties(old, new, output, present))
    except HangtagError:
        discard(output)
        raise
    failpoint("update.formed")
    return True


def _passed(parts: Iterator[Part], passed: Callable[[int], None]) -> Iterator[Part]:
    for part in parts:
        yield part
        if isinstance(part, Kept):
            passed(part.stop - part.start)


class _Same(NamedTuple):
    """The batches at the start that stay whole: numbers in the old journal; -1: none."""

    copied: int = 0  #: how many, up to `full`
    full: int = -1  #: the last one that is copied as it is
    last: int = -1  #: the last one


def _until_difference(
    parts: Iterator[Part], old: Journal, present: PresentFiles
) -> tuple[_Same, Part | None]:
    """What stays, and the first part that differs. Small batches at the end of what stays are not
    full: files may be added there again and again."""
    same, whole, numbers = _Same(), 0, iter(old.finished_numbers())
    for part in parts:
        if isinstance(part, BatchEnd):
            continue
        if not (isinstance(part, Kept) and part.is_whole and part.record.n == next(numbers, None)):
            return same, part
        whole += 1
        same = same._replace(last=part.record.n)
        if len(part.rows) >= FULL or not present.is_sorted:
            same = _Same(whole, part.record.n, part.record.n)
    return same, None


def _put_together(old: Journal, same: _Same, present: PresentFiles) -> Iterator[Part]:
    """The small batches at the end of what stays."""
    for record in old.finished_records(same.full, same.last):
        rows = record.rows()
        arguments = list(map(present.number_of, rows.names))
        yield Kept(record, rows, 0, len(rows), arguments)
        yield BatchEnd()


def _numbered(records: Iterator[Record]) -> Iterator[Record]:
    return (record._replace(n=n) for n, record in enumerate(records))


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
        schema.PROPERTY: schema.NOW,
        WALKED: b"1",
        ONLY_CHANGED: b"1",
        NUMBERS: b"%d" % old.next_number(),
        UPDATES: b"%d" % (old.updates + 1),
        FILE_COUNT: b"%d" % new.totals.images,
        SKIPPED: encode_skipped(present.skipped),
        UNLISTED: encode_unlisted(present.unlisted),
        _FORMED_FROM: old.properties_digest(),
    }


def replace(old: Journal, new: Journal, output: Path, following: Following) -> None:
    """Put the next journal, whose table is complete, in the place of the old one, and what follows
    after it. Both are handed over.

    Raises:
        UsageError: another process reads a journal for longer; the same command continues.
        SetupError: a file cannot be written; the next command that opens the journal completes it.
    """
    new.put(**{FOLLOWING: encode_following(following)})
    with atomic_file.writing(output, _REMEDY):
        for journal in (new, old):
            journal.hand_over()
        atomic_file.sync_folder(old.path.parent)  # a log that came back would be that of the other
        os.replace(new.path, old.path)
        failpoint("update.committed")
        atomic_file.sync_folder(old.path.parent)
        settle_held(old.path, output)
