"""Batches: files read into messages of a bounded size, in path order."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import TypeVar

import msgspec

from producer.inputs.file_transport import Transport
from producer.inputs.job_options import JobOptions
from producer.inputs.reader import read, read_again
from producer.inputs.skipped import SKIPPED, Counts, encode_skipped
from producer.inputs.walk import Walk
from producer.journal.journal import WALKED, Journal
from producer.journal.records import UNLISTED, FrozenBatch, Place, Unlisted, encode_unlisted
from shared.image_status import Status
from shared.messages.batch import MAX_BATCH_IMAGES, encode_images
from shared.messages.files import Reference, Stamp, digest, printable
from shared.settings import Settings

H = TypeVar("H")
Taken = tuple[bytes | Reference | Status, Stamp]


class Batch(msgspec.Struct, frozen=True):
    """A batch ready to go: what the journal keeps of it, and the blob that travels."""

    frozen: FrozenBatch
    blob: bytes
    refers: bool = False  #: to files, instead of holding all their bytes
    unlisted: Unlisted = Unlisted()  #: the folders up to its last file that could not be listed
    skipped: Counts = {}  #: what the walk passed over up to its last file


class Batcher:
    """Forms the batches of a job, from the start or after the last frozen one.

    Failed rows that are to be repeated come first; `walked` if there are no more files after them.
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
    ) -> None:
        self.walk, self.unlisted = Walk(options, self._not_listed, skipped), unlisted
        self._cwd = options.cwd
        self._images_max = min(settings.batch_images, MAX_BATCH_IMAGES)
        self._bytes_max = settings.batch_bytes
        self._images_now = self._images_max
        following = 0 if last is None else last.n + 1
        self._n = following if number is None else number
        after = None if last is None else (last.argument, last.names[-1])
        files: Iterable[tuple[int, bytes]] = () if walked else self.walk.paths(after)
        reads = partial(read, max_bytes=options.max_file_bytes)
        # Few failed rows are repeated, and their files' bytes replace what is known of them.
        self._formed = chain(
            self._form(failed, _repeat, reads), self._form(files, _new, take or reads)
        )
        self.exhausted = False

    def next(self, share: float = 1.0) -> Batch | None:
        """The next batch; None (and `exhausted`) when there are no more files.

        It has at most this share of the usual number of images.
        """
        self._images_now = max(1, math.ceil(share * self._images_max))
        batch = next(self._formed, None)
        self.exhausted = batch is None
        return batch

    def _form(
        self,
        files: Iterable[tuple[H, bytes]],
        freeze: Callable[[int, list[H], _Read], FrozenBatch],
        take: Callable[[bytes], Taken],
    ) -> Iterator[Batch]:
        heads: list[H] = []
        content = _Read()
        size = 0
        folder = self._cwd + b"/"
        for head, path in files:
            # os.path.join would take a tenth of the time of reading a small file.
            image, stamp = take(path if path.startswith(b"/") else folder + path)
            length = 0 if isinstance(image, Status) else stamp[0]
            if heads and (len(heads) >= self._images_now or size + length > self._bytes_max):
                yield self._batch(heads, content, freeze)
                heads, content, size = [], _Read(), 0
            heads.append(head)
            content.names.append(path)
            content.stamps.append(stamp)
            content.images.append(image)
            # Not when the batch is full: by then the walk is at a file after it.
            content.unlisted, content.skipped = self.unlisted, self.walk.skipped
            size += length
        if heads:
            yield self._batch(heads, content, freeze)

    def _batch(
        self, heads: list[H], content: _Read, freeze: Callable[[int, list[H], _Read], FrozenBatch]
    ) -> Batch:
        frozen = freeze(self._n, heads, content)
        self._n += 1
        blob = encode_images(content.images)
        return Batch(frozen, blob, content.refers, content.unlisted, content.skipped)

    def _not_listed(self, folder: bytes, why: str) -> None:
        self.unlisted = self.unlisted.and_one(printable(folder), why)


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
        """Of each file; nothing where one was not read. Then whoever reads it hands them in."""
        whole = [image for image in self.images if not isinstance(image, Reference)]
        return b"".join(map(digest, whole)) if len(whole) == len(self.images) else b""


def _new(n: int, arguments: list[int], read: _Read) -> FrozenBatch:
    return FrozenBatch(n, arguments[-1], read.names, read.stamps, read.digests)


def _repeat(n: int, places: list[Place], read: _Read) -> FrozenBatch:
    return FrozenBatch(n, 0, read.names, read.stamps, read.digests, places)


def resumed(
    options: JobOptions, settings: Settings, journal: Journal, transport: Transport | None = None
) -> Batcher:
    """What a journal's job lacks; its files' bytes, if there is no other transport."""
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
    )


def passed_over(batches: list[Batch]) -> dict[str, bytes]:
    """What the journal keeps with new batches, since a walk that resumes after them passes no
    folder before."""
    if not batches:
        return {}
    last, kept = batches[-1], dict[str, bytes]()
    if last.unlisted.count:
        kept[UNLISTED] = encode_unlisted(last.unlisted)
    if last.skipped:
        kept[SKIPPED] = encode_skipped(last.skipped)
    return kept


def read_batch_again(options: JobOptions, frozen: FrozenBatch) -> list[bytes | Status]:
    """The files of a frozen batch that Redis has lost; one that changed since says so."""
    return [
        read_again(os.path.join(options.cwd, name), stamp, options.max_file_bytes)
        for name, stamp in zip(frozen.names, frozen.stamps, strict=True)
    ]
