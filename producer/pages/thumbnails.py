"""Thumbnails from processes of the worker's package, which decode so that this process need not.

An image may kill, stop or mislead its decoder. It costs a placeholder: the process is ended after a
time limit, and replaced.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from producer.fleet.machine_resources import cores
from producer.processes.helper import Helper
from shared.pipes.thumbnail import Order, Thumbnail

#: The longer side of a thumbnail. Most lists display it in half this size, sharp on any screen.
SIDE_PIXELS = 192
#: The bound on one encoded thumbnail of this side; larger ones have as many bytes for a pixel.
MAX_BYTES = 6_000
CRASHED = Thumbnail(why="Decoding the image ended its process.")
#: A hostile image may take as much memory as a process is allowed (worker/thumbnails.py).
MAX_PROCESSES = 4
#: The process ends itself earlier (worker/thumbnails.py), unless it is stopped or stuck
#: in a call.
_LIMIT_S = 30.0
_MODULE = "worker.thumbnails"
_REPLY_BYTES = 1 << 20

T = TypeVar("T")


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
            return helper.ask(Order(data, side_pixels, max_bytes), _LIMIT_S) or CRASHED
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
