"""Decodes the images of a walk once, in several threads, into the rows of one file.

Threads instead of processes: Pillow releases the GIL while it decodes and scales.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from shared.errors import ImageError
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.model_card import Preprocessing
from worker.datasets.examples import DIGEST_BYTES, Digests, Hashes, Images, Labels, Parts, hash64
from worker.datasets.folder_layout import Item
from worker.decoding.decode import decode_into

T = TypeVar("T")
R = TypeVar("R")

#: Limits of one thread's turn: enough images for a small overhead, few enough to fit in memory.
TURN_IMAGES = 64
TURN_BYTES = 4 << 20
THREADS = len(os.sched_getaffinity(0))


class DecodedRows(NamedTuple):
    """The columns of the file's rows; all [n]."""

    labels: Labels
    given: Parts
    files: Hashes  #: of the encoded bytes
    contents: Hashes  #: of the pixels
    places: npt.NDArray[np.int64]  #: in the walk, which has files that are not images as well
    digests: Digests


class Bad(NamedTuple):
    """A file that is not an image, with the reason."""

    path: bytes
    status: Status


class _Good(NamedTuple):
    item: Item
    file: int  #: hash
    pixels: int  #: hash
    number: int  #: in its turn
    digest: bytes


class _Turn(NamedTuple):
    pixels: Images
    good: list[_Good]
    bad: list[Bad]


def decode_all(
    items: Iterable[Item],
    spec: Preprocessing,
    out: BinaryIO,
    on_bad: Callable[[Bad], None],
    on_done: Callable[[int], None],
) -> DecodedRows:
    """Write the pixels of each image to `out`; `on_done` gets the number of files of each turn."""
    known = array("q"), array("b"), array("Q"), array("Q"), array("q")
    digests, before = bytearray(), 0
    for turn in prefetched(lambda items: _decode(items, spec), _turns(items, spec), THREADS):
        out.write(turn.pixels.data)
        for image in turn.good:
            row = (
                image.item.label,
                image.item.part,
                image.file,
                image.pixels,
                before + image.number,
            )
            for column, value in zip(known, row, strict=True):
                column.append(value)
            digests += image.digest
        for bad in turn.bad:
            on_bad(bad)
        on_done(len(turn.good) + len(turn.bad))
        before += len(turn.good) + len(turn.bad)
    kinds = (np.int64, np.int8, np.uint64, np.uint64, np.int64)
    columns = [np.array(column, kind) for column, kind in zip(known, kinds, strict=True)]
    columns.append(np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES))
    return DecodedRows(*columns)


def _turns(items: Iterable[Item], spec: Preprocessing) -> Iterator[list[Item]]:
    row_bytes = spec.height * spec.width * spec.channels
    count = max(1, min(TURN_IMAGES, TURN_BYTES // row_bytes))
    remaining = iter(items)
    while turn := list(islice(remaining, count)):
        yield turn


def _decode(items: list[Item], spec: Preprocessing) -> _Turn:
    pixels = np.empty((len(items), spec.height, spec.width, spec.channels), np.uint8)
    good: list[_Good] = []
    bad: list[Bad] = []
    for number, item in enumerate(items):
        row = pixels[len(good)]
        try:
            data = read_file(item.path)
            decode_into(data, spec, row)
        except ImageError as error:
            bad.append(Bad(item.path, error.status))
        else:
            digest = hashlib.sha256(data).digest()
            good.append(_Good(item, hash64(data), hash64(row.data), number, digest))
    return _Turn(pixels[: len(good)], good, bad)


def read_file(path: bytes) -> bytes:
    """The bytes of a file. Raises ImageError: it cannot be read, or is too large."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
                raise ImageError(Status.TOO_LARGE)
            return file.read()
    except OSError as error:
        raise ImageError(Status.UNREADABLE) from error


def prefetched(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yield `work(item)` for each item, with at most two items in progress per thread.

    An exception of `work` is raised at its item's turn. Items past the consumer's end do not start.
    The producer has no such threads: it reads ahead from servers, in sources that know their names.
    """
    in_progress: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, "ahead") as pool:
        try:
            for item in items:
                in_progress.append(pool.submit(work, item))
                if len(in_progress) > 2 * threads:
                    yield in_progress.popleft().result()
            while in_progress:
                yield in_progress.popleft().result()
        finally:
            for future in in_progress:
                future.cancel()
