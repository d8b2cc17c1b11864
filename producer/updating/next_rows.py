"""The batches of the next journal: rows that stay, with their results, and rows that are to be
classified, as placeholders that the usual repeat of rows replaces.

A full batch that stays whole is copied as it is. Others are put together in batches of about the
usual size, so that many updates leave no small ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from producer.journal.records import Record
from producer.updating.merge import BatchEnd, Change, Kept, Kind, Part
from shared.image_status import Status, count_flags
from shared.messages.batch import KINDS, BatchResult, encode_result
from shared.messages.files import DIGEST_BYTES, NO_DIGEST, NO_STAMP, STAMP

#: The rows of a usual batch. One with twice as many is divided.
IMAGES = 2_048
#: A batch with as many is full: it is not filled with rows of the next one, which stays whole then.
FULL = IMAGES // 2
_STAMP = STAMP.pack(*NO_STAMP)
#: The journal has the digests beside the result.
_COLUMNS = [name for name in KINDS if name != "digests"]


def next_records(parts: Iterable[Part], first: int, k: int) -> Iterator[Record]:
    """The records of these rows, numbered from `first`. Each row has `k` labels."""
    batch = _GrowingBatch(first, k)
    for part in parts:
        if isinstance(part, Kept):
            if part.is_whole and len(part.rows) >= FULL:
                yield from batch.taken(len(batch))
                yield part.record._replace(n=batch.n)
                batch.n += 1
            else:
                batch.keep(part)
        elif isinstance(part, Change) and part.kind is not Kind.GONE:
            batch.wait(part)
        elif isinstance(part, BatchEnd) and len(batch) >= FULL:
            yield from batch.taken(len(batch))
        if len(batch) >= 2 * IMAGES:
            yield from batch.taken(IMAGES)
    yield from batch.taken(len(batch))


class _GrowingBatch:
    """The rows of the next record, as columns."""

    def __init__(self, n: int, k: int) -> None:
        self.n = n
        self._empty = BatchResult(k, b"", b"", b"")
        self._arguments: list[int] = []
        self._names: list[bytes] = []
        self._stamps, self._digests = bytearray(), bytearray()
        self._columns = {name: bytearray() for name in _COLUMNS}
        self._waiting = bytearray()  #: 1 for each row that is to be classified

    def __len__(self) -> int:
        return len(self._names)

    def keep(self, kept: Kept) -> None:
        record, rows, start, stop, arguments = kept
        count = stop - start
        self._names += rows.names[start:stop]
        self._arguments += arguments
        self._stamps += record.stamps[start * STAMP.size : stop * STAMP.size]
        digests = record.digests[start * DIGEST_BYTES : stop * DIGEST_BYTES]
        self._digests += digests or NO_DIGEST * count
        for name, column in self._columns.items():
            width = rows.result.width(name)
            column += rows.result.column(name)[start * width : stop * width]
        self._waiting += bytes(count)

    def wait(self, row: Change) -> None:
        self._names.append(row.name)
        self._arguments.append(row.argument)
        self._stamps += _STAMP
        self._digests += NO_DIGEST
        for name, column in self._columns.items():
            column += bytes(self._empty.width(name))
        self._columns["statuses"][-1] = Status.CHANGED.code
        self._waiting.append(1)

    def taken(self, count: int) -> Iterator[Record]:
        """The record of the first `count` rows, which are removed; none without rows."""
        if not count:
            return
        columns = {
            name: _cut(column, count * self._empty.width(name))
            for name, column in self._columns.items()
        }
        result = BatchResult.of(self._empty.k, columns)
        again = sum(_cut(self._waiting, count))
        flagged = count_flags(result.flags)
        names, arguments = self._names[:count], self._arguments[:count]
        del self._names[:count], self._arguments[:count]
        yield Record(
            n=self.n,
            argument=arguments[-1],
            images=count,
            names=b"\0".join(names),
            stamps=_cut(self._stamps, count * STAMP.size),
            digests=_known(_cut(self._digests, count * DIGEST_BYTES), again),
            places=None,
            failed=result.failed - again,
            flagged=json.dumps(flagged) if flagged else None,
            again=again,
            result=encode_result(result),
        )
        self.n += 1


def _cut(column: bytearray, size: int) -> bytes:
    """The first `size` bytes, which are removed."""
    data = bytes(column[:size])
    del column[:size]
    return data


def _known(digests: bytes, again: int) -> bytes:
    """Empty if none is known, unless a row gets its own."""
    return digests if again or any(digests) else b""
