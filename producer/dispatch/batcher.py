"""Reads files into batches of bounded size, in path order.

Near the end of a job batches become smaller, each a share of the files that are left, so that no
process works on a large one while the others have nothing to do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Generic, NamedTuple, TypeVar

import msgspec

from producer.inputs.file_transport import Transport
from producer.inputs.job_options import JobOptions
from producer.inputs.lookahead import Lookahead
from producer.inputs.reader import read
from producer.inputs.skipped import (
    SKIPPED,
    UNLISTED,
    Counts,
    Unlisted,
    encode_skipped,
    encode_unlisted,
)
from producer.inputs.walk import Walk
from producer.journal.journal import WALKED, Journal
from producer.journal.records import FrozenBatch, Place
from producer.locations.row_files import RowFiles
from shared.image_status import Status
from shared.messages.batch import MAX_BATCH_IMAGES, encode_images
from shared.messages.files import Reference, Stamp, digest, printable
from shared.settings import Settings

H = TypeVar("H")
Taken = tuple[bytes | Reference | Status, Stamp]
#: Smaller batches are not worth a message, unless they have as many bytes: the work for small
#: images is that of the network, for large ones that of decoding.
SMALL_IMAGES, SMALL_BYTES = 64, 1 << 18


class Batch(msgspec.Struct, frozen=True):
    """A batch ready to send: its record in the journal, and the blob for Redis."""

    frozen: FrozenBatch
    blob: bytes
    refers: bool = False  #: whether it has references to files instead of all their bytes
    unlisted: Unlisted = Unlisted()  #: folders up to its last file that could not be listed
    skipped: Counts = {}  #: entries that the walk skipped up to its last file


class Batcher:
    """Forms the batches of a job, from the start or after the last frozen one.

    Failed rows that are repeated come first. With `walked` no other files follow them.
    """

    def __init__(
        self,
        options: JobOptions,
        settings: Settings,
        last: FrozenBatch | None,
        number: int | None = None,
        failed: Iterable[tuple[Place, bytes]] = (),
        walked: bool = False,
        take: Callable[[bytes], Taken] | None = None,
        unlisted: Unlisted = Unlisted(),  # noqa: B008  it is frozen
        skipped: Counts | None = None,
        row_files: RowFiles | None = None,
    ) -> None:
        """`row_files` finds the files of `failed`; without it each is at its path."""
        self._walk, self._closed = Walk(options, self._not_listed, skipped), unlisted
        self.skipped: Counts = self._walk.skipped  #: up to the last file of a batch, or all
        self.unlisted = unlisted  #: likewise
        #: os.path.join costs a tenth of the time that reading a small file takes.
        self._cwd_slash = options.absolute(b"")
        self._images_max = min(settings.batch_images, MAX_BATCH_IMAGES)
        self._bytes_max = settings.batch_bytes
        self._images_now = self._images_max
        self._pieces = 1
        following = 0 if last is None else last.n + 1
        self._n = following if number is None else number
        after = None if last is None else (last.argument, last.names[-1])
        files: Iterable[tuple[int, bytes]] = () if walked else self._walk.paths(after)
        where = row_files or RowFiles(options)
        reads = partial(read, max_bytes=options.max_file_bytes)
        # A repeat always sends bytes: repeats are few, and their digests must be known.
        self._formed = chain(
            self._form(self._with_passed(failed), _repeat, lambda path: reads(where.path(path))),
            self._form(self._with_passed(files), _new, take or reads),
        )
        self.exhausted = False

    def next(
        self, share: float = 1.0, pieces: int = 1, most_images: int = MAX_BATCH_IMAGES
    ) -> Batch | None:
        """The next batch, or None (and `exhausted`) when there are no more files.

        `share` bounds its number of images, as a share of the usual number; `most_images` does so
        as well. The files that are left at the end are divided by `pieces`.
        """
        self._images_now = min(most_images, max(1, math.ceil(share * self._images_max)))
        self._pieces = pieces
        batch = next(self._formed, None)
        self.exhausted = batch is None
        if batch is None:
            self.skipped, self.unlisted = self._walk.skipped, self._closed
        else:
            self.skipped, self.unlisted = batch.skipped, batch.unlisted
        return batch

    def _with_passed(self, files: Iterable[tuple[H, bytes]]) -> Lookahead[_WalkedFile[H]]:
        """The files, each with what was passed over before it."""
        return Lookahead(
            _WalkedFile(head, path, self._closed, self._walk.skipped) for head, path in files
        )

    def _form(
        self,
        files: Lookahead[_WalkedFile[H]],
        freeze: Callable[[int, list[H], _Read], FrozenBatch],
        take: Callable[[bytes], Taken],
    ) -> Iterator[Batch]:
        heads: list[H] = []
        content = _Read()
        size, cwd_slash = 0, self._cwd_slash
        last_images = self._last_images(files)
        for head, path, unlisted, skipped in files:
            image, stamp = take(path if path.startswith(b"/") else cwd_slash + path)
            length = 0 if isinstance(image, Status) else stamp[0]
            full = len(heads) >= self._images_now or size + length > self._bytes_max
            large = len(heads) >= SMALL_IMAGES or size >= SMALL_BYTES
            if heads and (full or (large and len(heads) >= last_images)):
                yield self._batch(heads, content, freeze)
                heads, content, size = [], _Read(), 0
                last_images = self._last_images(files, 1)
            heads.append(head)
            content.names.append(path)
            content.stamps.append(stamp)
            content.images.append(image)
            content.unlisted, content.skipped = unlisted, skipped
            size += length
        if heads:
            yield self._batch(heads, content, freeze)

    def _last_images(self, files: Lookahead[_WalkedFile[H]], taken: int = 0) -> int:
        """The size of the next batch if the end of the files is near, or else the usual one.
        `taken` files of it are no longer in `files`."""
        if self._pieces > 1:
            files.ahead = self._pieces * self._images_now
        left = files.left
        return self._images_max if left is None else math.ceil((left + taken) / self._pieces)

    def _batch(
        self, heads: list[H], content: _Read, freeze: Callable[[int, list[H], _Read], FrozenBatch]
    ) -> Batch:
        frozen = freeze(self._n, heads, content)
        self._n += 1
        blob = encode_images(content.images)
        return Batch(frozen, blob, content.refers, content.unlisted, content.skipped)

    def _not_listed(self, folder: bytes, why: str) -> None:
        self._closed = self._closed.and_one(printable(folder), why)


class _WalkedFile(NamedTuple, Generic[H]):
    """A file of the walk, and the folders and entries that were passed over before it."""

    head: H
    path: bytes
    unlisted: Unlisted
    skipped: Counts


class _Read:
    """The files of a batch that is being formed."""

    def __init__(self) -> None:
        self.names: list[bytes] = []
        self.stamps: list[Stamp] = []
        self.images: list[bytes | Reference | Status] = []
        self.unlisted = Unlisted()
        self.skipped: Counts = {}

    @property
    def refers(self) -> bool:
        return any(isinstance(image, Reference) for image in self.images)

    @property
    def digests(self) -> bytes:
        """CRC-32 of each file; empty if a file is only referred to: its worker returns them."""
        whole = [image for image in self.images if not isinstance(image, Reference)]
        return b"".join(map(digest, whole)) if len(whole) == len(self.images) else b""


def _new(n: int, arguments: list[int], read: _Read) -> FrozenBatch:
    return FrozenBatch(n, arguments[-1], read.names, read.stamps, read.digests)


def _repeat(n: int, places: list[Place], read: _Read) -> FrozenBatch:
    return FrozenBatch(n, 0, read.names, read.stamps, read.digests, places)


def resumed(
    options: JobOptions,
    settings: Settings,
    journal: Journal,
    transport: Transport | None = None,
    row_files: RowFiles | None = None,
) -> Batcher:
    """The batches that a journal's job still lacks. Without `transport` files are sent inline."""
    return Batcher(
        options,
        settings,
        journal.last(),
        journal.next_number(),
        journal.failed_rows(),
        journal.get(WALKED) is not None,
        None if transport is None else transport.take,
        journal.unlisted,
        journal.skipped,
        row_files,
    )


def passed_over(batches: list[Batch]) -> dict[str, bytes]:
    """Properties to store with new batches: a walk that resumes after them does not count the
    folders before them again."""
    if not batches:
        return {}
    last, values = batches[-1], dict[str, bytes]()
    if last.unlisted.count:
        values[UNLISTED] = encode_unlisted(last.unlisted)
    if last.skipped:
        values[SKIPPED] = encode_skipped(last.skipped)
    return values


def read_batch_again(row_files: RowFiles, frozen: FrozenBatch) -> list[bytes | Status]:
    """The files of a frozen batch that Redis has lost; `changed` for a file that differs now."""
    return list(map(row_files.unchanged, frozen.names, frozen.stamps))
