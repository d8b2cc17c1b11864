"""Reads files into batches of bounded size, in path order.

Near the end of a job batches become smaller, each a share of the files that are left, so that no
process works on a large one while the others have nothing to do.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Generic, NamedTuple, TypeVar

import msgspec

from producer.job.journal import WALKED, Journal
from producer.job.records import FrozenBatch, RowPlace
from producer.job.retries import ONLY_CHANGED
from producer.job.skipped import Counts, Unlisted
from producer.run.file_transport import Transport
from producer.sources.job_sources import Walk, WalkedImage, announced
from producer.sources.row_files import RowFiles
from shared.image_status import Status
from shared.messages.batch import MAX_BATCH_IMAGES, encode_images
from shared.messages.files import Reference, Stamp, digests
from shared.settings import Settings

T = TypeVar("T")
#: Bounds the memory for names, at 150 bytes each. Beyond 4 processes it is less than the images
#: that they may have in full batches of small files; batches of photographs are smaller.
AHEAD_MAX = 1 << 14
#: Smaller batches are not worth a message, unless they have as many bytes: the work for small
#: images is that of the network, for large ones that of decoding.
SMALL_IMAGES, SMALL_BYTES = 64, 1 << 18
#: The time of a turn in which an image is awaited; results are collected in between.
WAIT_S = 0.02


class Lookahead(Generic[T]):
    """The items of an iterator. `ahead` of them, at most AHEAD_MAX, are read in advance, up to the
    first one that must be used before the next."""

    def __init__(self, items: Iterator[T], must_be_used: Callable[[T], bool] | None = None) -> None:
        self.ahead = 1
        self._must_be_used = must_be_used
        self._items = items
        self._held: deque[T] = deque()
        self._error: Exception | None = None
        self._ended = False

    @property
    def left(self) -> int | None:
        """The number of items that are left; None if their end is not known yet."""
        self._read(min(self.ahead, AHEAD_MAX))
        return len(self._held) if self._ended else None

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        """Only `left` reads further, so that most items cost little."""
        if not self._held:
            self._read(1)
        if self._held:
            return self._held.popleft()
        if self._error is not None:
            raise self._error
        raise StopIteration

    def _read(self, ahead: int) -> None:
        """Read in advance. An error of the iterator is raised after the items before it."""
        while not self._ended and (missing := ahead - len(self._held)) > 0:
            if self._must_be_used is not None:
                if self._held and self._must_be_used(self._held[-1]):
                    return
                missing = 1
            self._take(missing)

    def _take(self, count: int) -> None:
        before = len(self._held)
        try:
            self._held.extend(islice(self._items, count))
            self._ended = len(self._held) < before + count
        except Exception as error:
            self._ended, self._error = True, error


Image = bytes | Reference | Status
#: Reads the image of a name.
Read = Callable[[bytes], tuple[Image, Stamp]]


class Batch(msgspec.Struct, frozen=True):
    """A batch ready to send: its record in the journal, and the blob for Redis."""

    frozen: FrozenBatch
    blob: bytes
    refers: bool = False  #: whether it has references to files instead of all their bytes
    unlisted: Unlisted = Unlisted()  #: folders up to its last file that could not be listed
    skipped: Counts = {}  #: entries that the walk skipped up to its last file


class BatchLimits(NamedTuple):
    """What bounds the images of a batch."""

    share: float = 1.0  #: of the usual number
    pieces: int = 1  #: the files that are left at the end are divided by it
    images: int = MAX_BATCH_IMAGES
    few: int = 0  #: the images that a small batch has at least, if the processes are fast


UNLIMITED = BatchLimits()


class EarlierRuns(NamedTuple):
    """What the journal of a job has from its earlier runs."""

    last: FrozenBatch | None = None  #: the walk resumes after it
    batches: int = 0  #: repeats included
    failed: Iterable[tuple[RowPlace, bytes]] = ()  #: the rows to repeat, and their paths
    walked: bool = False  #: no other files follow these
    unlisted: Unlisted = Unlisted()  #: folders so far
    skipped: Counts = {}  #: entries so far
    #: Whether the rows to repeat are those of new and changed files, which may be many.
    is_update: bool = False


class Batcher:
    """Forms the batches of a job, from the start or after those of earlier runs. Failed rows that
    are repeated come first."""

    def __init__(
        self,
        files: RowFiles,
        settings: Settings,
        transport: Transport,
        before: EarlierRuns = EarlierRuns(),  # noqa: B008  it is frozen
    ) -> None:
        self._one_pass = files.sources.one_pass
        self._walk = Walk(files.sources, skipped=before.skipped, unlisted=before.unlisted)
        self.skipped: Counts = before.skipped  #: up to the last file of a batch, or all
        self.unlisted = before.unlisted  #: likewise
        self._images_max = min(settings.batch_images, MAX_BATCH_IMAGES)
        self._bytes_max = settings.batch_bytes
        self._images_now = self._images_max
        self._few = SMALL_IMAGES
        self._pieces = 1
        self._n = before.batches
        self._max_bytes = transport.max_file_bytes
        self._transport = transport
        self._sources, self._reads_ahead = files.sources, files.sources.ahead > 0
        #: Of most jobs: then no name needs to be compared.
        self._only = None if files.sources.has_others else files.sources.local
        failed, walked = self._failed(before), self._walked(before)
        if self._reads_ahead:
            failed, walked = self._announced(failed), self._announced(walked)
        read_again = self._as_sent_unless_moved if before.is_update else self._as_bytes
        self._files = files
        self._formed = chain(self._form(failed, read_again), self._form(walked, self._as_sent))
        self.exhausted = False

    def _announced(self, images: Iterator[WalkedImage]) -> Iterator[WalkedImage]:
        """The images, in their order; their sources have the names of those that follow."""
        sources = self._sources
        return announced(images, sources.ahead, lambda image: sources.announce((image.name,)))

    def next(self, most: BatchLimits = UNLIMITED) -> Batch | None:
        """The next batch; None while its next image is fetched, or (and `exhausted`) when there are
        no more files."""
        self._images_now = min(most.images, max(1, math.ceil(most.share * self._images_max)))
        self._few = max(SMALL_IMAGES, most.few)
        self._pieces = most.pieces
        try:
            batch = next(self._formed)
        except StopIteration:
            self.exhausted = True
            self.skipped, self.unlisted = self._walk.skipped, self._walk.unlisted
            return None
        if batch is not None:
            self.skipped, self.unlisted = batch.skipped, batch.unlisted
        return batch

    def _failed(self, before: EarlierRuns) -> Iterator[WalkedImage]:
        for place, name in before.failed:
            yield _FailedImage(0, name, self._walk.skipped, self._walk.unlisted, place)

    def _walked(self, before: EarlierRuns) -> Iterator[WalkedImage]:
        last = before.last
        if before.walked:
            return iter(())
        return self._walk.images(None if last is None else (last.argument, last.names[-1]))

    def _as_sent(self, name: bytes) -> tuple[Image, Stamp]:
        """An image as it is sent (bytes or reference), or why it is not sent, and its stamp."""
        source = self._only or self._sources.source_of(name)
        content, stamp = source.read_small(name, self._transport.inline_bytes, self._max_bytes)
        if content is not None:
            return content, stamp
        path = source.local_path(name)
        assert path is not None
        reference = self._transport.reference(path, stamp)
        return source.read(name, self._max_bytes) if reference is None else (reference, stamp)

    def _as_bytes(self, name: bytes) -> tuple[Image, Stamp]:
        """The image of a failed row. Few are repeated."""
        return self._files.read(name, self._max_bytes)

    def _as_sent_unless_moved(self, name: bytes) -> tuple[Image, Stamp]:
        is_moved = self._files.moved_to(name) is not None
        return self._as_bytes(name) if is_moved else self._as_sent(name)

    def _form(self, files: Iterator[WalkedImage], read_file: Read) -> Iterator[Batch | None]:
        """Batches of the files, in their order; None while the next one is fetched."""
        one_pass = self._one_pass
        upcoming = Lookahead(files, (lambda file: file.number in one_pass) if one_pass else None)
        taken: list[WalkedImage] = []
        images: list[Image] = []
        stamps: list[Stamp] = []
        size = 0
        last_images = self._last_images(upcoming)
        for file in upcoming:
            while self._reads_ahead and not self._sources.source_of(file.name).is_ready(
                file.name, WAIT_S
            ):
                yield None
            image, stamp = read_file(file.name)
            length = 0 if isinstance(image, Status) else stamp[0]
            full = len(taken) >= self._images_now or size + length > self._bytes_max
            large = len(taken) >= self._few or size >= SMALL_BYTES
            if taken and (full or (large and len(taken) >= last_images)):
                yield self._batch(taken, images, stamps)
                taken, images, stamps, size = [], [], [], 0
                last_images = self._last_images(upcoming, 1)
            taken.append(file)
            images.append(image)
            stamps.append(stamp)
            size += length
        if taken:
            yield self._batch(taken, images, stamps)

    def _last_images(self, upcoming: Lookahead[WalkedImage], taken: int = 0) -> int:
        """The size of the next batch if the end of the files is near, or else the usual one.
        `taken` files of it are no longer in `upcoming`."""
        if self._pieces > 1:
            upcoming.ahead = self._pieces * self._images_now
        left = upcoming.left
        return self._images_max if left is None else math.ceil((left + taken) / self._pieces)

    def _batch(self, files: list[WalkedImage], images: list[Image], stamps: list[Stamp]) -> Batch:
        last, n = files[-1], self._n
        self._n += 1
        contents = [image for image in images if not isinstance(image, Reference)]
        refers = len(contents) < len(images)  # then the worker returns the digests
        frozen = FrozenBatch(
            n,
            last.number,
            [file.name for file in files],
            stamps,
            b"" if refers else digests(contents),
            [file.place for file in files if isinstance(file, _FailedImage)],
        )
        return Batch(frozen, encode_images(images), refers, last.unlisted, last.skipped)


class _FailedImage(WalkedImage, gc=False):
    """An image of a failed row, which is repeated."""

    place: RowPlace = (0, 0)  #: the row that it replaces


def resumed(files: RowFiles, settings: Settings, transport: Transport, journal: Journal) -> Batcher:
    """The batches that a journal's job still lacks."""
    before = EarlierRuns(
        journal.last(),
        journal.next_number(),
        journal.failed_rows(),
        journal.get(WALKED) is not None,
        journal.unlisted,
        journal.skipped,
        journal.get(ONLY_CHANGED) is not None,
    )
    return Batcher(files, settings, transport, before)


def read_batch_again(row_files: RowFiles, frozen: FrozenBatch) -> list[bytes | Status]:
    """The files of a frozen batch that Redis has lost; `changed` for a file that differs now."""
    row_files.sources.announce(frozen.names)
    return list(map(row_files.unchanged, frozen.names, frozen.stamps))
