"""Batches: files read into messages of a bounded size, in path order."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from producer.journal import Frozen
from producer.options import JobOptions
from producer.reader import Stamp, read, read_again
from producer.walk import Walk
from shared.contract import encode_images
from shared.settings import Settings
from shared.status import Status


class Batch(msgspec.Struct, frozen=True):
    """A batch ready to go: what the journal keeps of it, and the blob that travels."""

    frozen: Frozen
    blob: bytes


class Batches:
    """Forms the batches of a job, from the start or after the last frozen one."""

    def __init__(self, options: JobOptions, settings: Settings, last: Frozen | None) -> None:
        self.walk = Walk(options)
        self._cwd = options.cwd
        self._images_max, self._bytes_max = settings.batch_images, settings.batch_bytes
        self._n = 0 if last is None else last.n + 1
        after = None if last is None else (last.argument, last.names[-1])
        self._paths = self.walk.paths(after)
        self._formed = self._form()
        self.exhausted = False

    def next(self) -> Batch | None:
        """The next batch; None (and `exhausted`) when there are no more files."""
        batch = next(self._formed, None)
        self.exhausted = batch is None
        return batch

    def _form(self) -> Iterator[Batch]:
        names: list[bytes] = []
        stamps: list[Stamp] = []
        images: list[bytes | Status] = []
        size, last_argument = 0, 0
        folder = self._cwd + b"/"
        for argument, path in self._paths:
            # os.path.join would take a tenth of the time of reading a small file.
            image, stamp = read(path if path.startswith(b"/") else folder + path)
            length = len(image) if isinstance(image, bytes) else 0
            if names and (len(names) == self._images_max or size + length > self._bytes_max):
                yield self._batch(last_argument, names, stamps, images)
                names, stamps, images, size = [], [], [], 0
            names.append(path)
            stamps.append(stamp)
            images.append(image)
            size, last_argument = size + length, argument
        if names:
            yield self._batch(last_argument, names, stamps, images)

    def _batch(
        self, argument: int, names: list[bytes], stamps: list[Stamp], images: list[bytes | Status]
    ) -> Batch:
        frozen = Frozen(self._n, argument, names, stamps)
        self._n += 1
        return Batch(frozen, encode_images(images))


def read_batch_again(options: JobOptions, frozen: Frozen) -> bytes:
    """The blob of a frozen batch that Redis has lost; a file that changed since says so."""
    return encode_images(
        [
            read_again(os.path.join(options.cwd, name), stamp)
            for name, stamp in zip(frozen.names, frozen.stamps, strict=True)
        ]
    )
