"""Thumbnails from processes of the worker's package, which decode so that this process need not.

An image may kill, stop or mislead its decoder. It costs a placeholder: the process is ended after a
time limit, and replaced.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from producer.fleet.machine_resources import cores
from producer.pages import worker_process
from shared import installation
from shared.errors import BadMessage, SetupError
from shared.pipes.framing import receive, send
from shared.pipes.thumbnail import Order, Thumbnail, decode_thumbnail, encode

#: The longer side of a thumbnail. Most lists display it in half this size, sharp on any screen.
SIDE_PIXELS = 192
#: The bound on one encoded thumbnail of this side; larger ones have as many bytes for a pixel.
MAX_BYTES = 6_000
CRASHED = Thumbnail(why="Decoding the image ended its process.")
#: A hostile image may take as much memory as a process is allowed (worker/thumbnails/__main__.py).
MAX_PROCESSES = 4
#: The process ends itself earlier (worker/thumbnails/__main__.py), unless it is stopped or stuck
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
        if lack := installation.missing(worker_process.PACKAGES, "worker"):
            raise SetupError(f"pictures cannot be made: {lack}")
        self._count = processes or min(cores(), MAX_PROCESSES)
        self._threads = ThreadPoolExecutor(self._count, "thumbnails")
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        for _ in range(self._count):
            self._idle.put(_Process())

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
        process = self._idle.get()
        try:
            return process.make(Order(data, side_pixels, max_bytes))
        finally:
            self._idle.put(process)

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


class _Process:
    """One process, started when it is needed; used by one thread at a time."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None

    def make(self, order: Order) -> Thumbnail:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Timer(_LIMIT_S, process.kill)
        late.start()
        try:
            send(process.stdin, encode(order))
            reply = receive(process.stdout, _REPLY_BYTES)
            if reply is not None:
                return decode_thumbnail(reply)
        except (OSError, BadMessage):
            pass  # it died, or answers nonsense
        finally:
            late.cancel()
        self.close()
        return CRASHED

    def close(self) -> None:
        """End the process. What it was working on is lost."""
        process, self._running = self._running, None
        if process is not None:
            process.kill()
            process.communicate()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._running is None:
            self._running = worker_process.start(_MODULE)
            assert self._running.stdout is not None
            if receive(self._running.stdout) is None:
                self.close()
                raise SetupError(
                    "the process that makes pictures does not start; this shows why: "
                    f"{sys.executable} -m {_MODULE} </dev/null"
                )
        return self._running
