"""Pictures of a page: images of rows as thumbnails, and plots.

Processes of the worker's package decode them, so that this process need not. An image may kill,
stop or mislead its decoder: it costs a placeholder, and the process is ended after a time limit,
and replaced.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from producer.machine.helper import Helper
from producer.machine.machine_resources import cores
from producer.present.progress import Stages
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.helpers import Thumbnail, ThumbnailOrder

#: The longer side of a thumbnail. Most lists display it in half this size, sharp on any screen.
SIDE_PIXELS = 192
#: The bound on one encoded thumbnail of this side; larger ones have as many bytes for a pixel.
MAX_BYTES = 6_000
CRASHED = Thumbnail(why="Decoding the image ended its process.")
#: A hostile image may take as much memory as a process is allowed (worker/helpers/thumbnails.py).
MAX_PROCESSES = 4
#: The process ends itself earlier (worker/helpers/thumbnails.py), unless it is stopped or stuck
#: in a call.
_LIMIT_S = 30.0
_MODULE = "worker.helpers.thumbnails"
_REPLY_BYTES = 1 << 20

T = TypeVar("T")
#: The bound on all pictures of a page, before they become text, which takes a third more.
MAX_TOTAL_BYTES = 6_000_000
PLOT_SIDE_PIXELS = 1400
MAX_PLOT_BYTES = 200_000
LEFT_OUT = Thumbnail(why="Left out, so that the page stays small.")
_WHY = {
    Status.MISSING: "The file is no longer where it was classified.",
    Status.CHANGED: "The file has changed since it was classified.",
    Status.UNREADABLE: "The file cannot be read.",
    Status.TOO_LARGE: "The file has grown since it was classified.",
}
Key = TypeVar("Key")


class Thumbnails:
    """A number of processes that start with the first image, and end with the block.

    Raises SetupError if the packages for them are not installed.
    """

    def __init__(self, processes: int = 0) -> None:
        self._count = processes or min(cores(), MAX_PROCESSES)
        self._threads = ThreadPoolExecutor(self._count, "thumbnails")
        self._idle: queue.SimpleQueue[Helper] = queue.SimpleQueue()
        for _ in range(self._count):
            self._idle.put(_helper())

    def __enter__(self) -> Thumbnails:
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        for _ in range(self._count):
            self._idle.get().close()

    def make(
        self, data: bytes, side_pixels: int = SIDE_PIXELS, max_bytes: int | None = None
    ) -> Thumbnail:
        """A small picture of an image, or a placeholder that says why there is none."""
        if max_bytes is None:
            max_bytes = MAX_BYTES * side_pixels**2 // SIDE_PIXELS**2
        helper = self._idle.get()
        try:
            return helper.ask(ThumbnailOrder(data, side_pixels, max_bytes), _LIMIT_S) or CRASHED
        finally:
            self._idle.put(helper)

    def map(self, act: Callable[[T], Thumbnail], items: Iterable[T]) -> Iterator[Thumbnail]:
        """The results of `act`, which calls `make`, in order, several at a time. At most twice as
        many items as processes are in memory."""
        waiting: queue.SimpleQueue[Future[Thumbnail]] = queue.SimpleQueue()
        for item in items:
            waiting.put(self._threads.submit(act, item))
            if waiting.qsize() >= 2 * self._count:
                yield waiting.get().result()
        while not waiting.empty():
            yield waiting.get().result()


def _helper() -> Helper:
    return Helper(_MODULE, Thumbnail, "pictures cannot be made", most_bytes=_REPLY_BYTES)


#: The bytes of an image, or why there are none.
Read = Callable[[], bytes | Status]


class PageImages:
    """Makes the pictures of one page, within its limit of bytes.

    Without the packages for it every picture is a placeholder, and `missing` says what to install.
    """

    def __init__(self) -> None:
        self.missing = ""
        self._left = MAX_TOTAL_BYTES
        self._thumbnails: Thumbnails | None = None
        try:
            self._thumbnails = Thumbnails()
        except SetupError as error:
            self.missing = str(error)

    def __enter__(self) -> PageImages:
        return self

    def __exit__(self, *error: object) -> None:
        if self._thumbnails is not None:
            self._thumbnails.__exit__(*error)

    def thumbnails(self, reads: Mapping[Key, Read], progress: Stages) -> dict[Key, Thumbnail]:
        """A picture of each image."""
        progress.stage("pictures", len(reads))
        pictures = {}
        for key, made in zip(reads, self._made(list(reads.values())), strict=True):
            pictures[key] = self._bounded(made)
            progress.passed(1)
        return pictures

    def plot(self, data: bytes) -> Thumbnail:
        """A plot, encoded again like any picture."""
        if self._thumbnails is None:
            return Thumbnail(why=self.missing)
        plot = self._thumbnails.make(data, PLOT_SIDE_PIXELS, MAX_PLOT_BYTES)
        return self._bounded(plot)

    def _made(self, reads: Sequence[Read]) -> Iterator[Thumbnail]:
        if self._thumbnails is None:
            yield from (Thumbnail(why="No pictures: Pillow is not installed.") for _ in reads)
            return
        yield from self._thumbnails.map(self._make, reads)

    def _make(self, read: Read) -> Thumbnail:
        assert self._thumbnails is not None
        if self._left <= 0:
            return LEFT_OUT
        data = read()
        if isinstance(data, Status):
            return Thumbnail(why=_WHY.get(data, data.sentence))
        return self._thumbnails.make(data)

    def _bounded(self, made: Thumbnail) -> Thumbnail:
        if len(made.webp) > self._left:
            self._left = 0
            return LEFT_OUT
        self._left -= len(made.webp)
        return made
