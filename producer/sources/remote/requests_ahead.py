"""Requests for what is read next, several at a time, within a bound of bytes.

A wait for a server is one in a thread of its own, so that the reader's wait ends at once when its
work is to end. `close` ends the threads; the client that sends the requests ends their waits first.
Those of concurrent.futures would be waited for at exit, also one that resolves a name for minutes,
and an awaited request would wait behind those that wait for room.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from shared.image_status import Status
from shared.messages.files import Stamp

#: A request to a far server takes tens of milliseconds; 32 of them keep a fleet busy.
THREADS = 32
#: The bytes of images that wait for their reader, beyond one image that it waits for.
MAX_BYTES = 32 << 20
#: The time between two checks whether the work is to end.
_CHECK_S = 0.02
#: The time in which threads end that are closed. One that resolves a name or connects ends later.
JOIN_S = 1.0

Read = tuple[bytes | Status, Stamp]
#: Waits for room for this number of bytes. Raises Closed.
Hold = Callable[[int], None]
#: Reads one name. `Hold` is called before the bytes of a body are read.
Fetch = Callable[[bytes, Hold], Read]


class Closed(Exception):
    """Nobody waits for this request any more."""


class _Request:
    __slots__ = ("answer", "error", "held_bytes", "is_awaited", "name")

    def __init__(self, name: bytes) -> None:
        self.name, self.held_bytes, self.is_awaited = name, 0, False
        self.answer: Read | None = None
        self.error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.answer is not None or self.error is not None


class RequestsAhead:
    """What `fetch` reads, in several threads. `check` may raise what ends a wait."""

    def __init__(self, fetch: Fetch, check: Callable[[], None] = lambda: None) -> None:
        self._fetch, self._check = fetch, check
        self._lock = threading.Lock()
        self._queued = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._answered = threading.Condition(self._lock)
        self._requests: dict[bytes, _Request] = {}
        self._queue: deque[_Request] = deque()
        self._threads: list[threading.Thread] = []
        self._readers_own: list[threading.Thread] = []  #: for what was not announced
        self._idle = 0
        self._held_bytes = 0
        self._closed = False

    def announce(self, names: Iterable[bytes]) -> None:
        """Request these, in this order, unless they are requested."""
        with self._lock:
            for name in names:
                if name not in self._requests:
                    request = self._requests[name] = _Request(name)
                    self._queue.append(request)
                    self._start_thread()

    def is_ready(self, name: bytes, seconds: float) -> bool:
        """Whether `read` would not wait after this time."""
        with self._lock:
            request = self._awaited(name)
            return self._answered.wait_for(lambda: request.is_done, seconds)

    def read(self, name: bytes) -> Read:
        """The answer to a request, which starts now unless it was announced. Raises what `fetch`
        or `check` raises."""
        with self._lock:
            request = self._awaited(name)
        while True:
            self._check()
            with self._lock:
                if self._answered.wait_for(lambda: request.is_done, _CHECK_S):
                    return self._taken(request)

    def close(self) -> None:
        """End the threads. Their waits for a server must end, too."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            self._queued.notify_all()
            self._room.notify_all()
        until = time.monotonic() + JOIN_S
        for thread in (*self._threads, *self._readers_own):
            thread.join(max(0.0, until - time.monotonic()))

    def _awaited(self, name: bytes) -> _Request:
        """The request of a name, which needs no room any more."""
        request = self._requests.get(name)
        if request is None:
            request = self._requests[name] = _Request(name)
            # Every other thread may wait for room.
            self._readers_own = [thread for thread in self._readers_own if thread.is_alive()]
            self._readers_own.append(self._spawn(self._run, request))
        if not request.is_awaited:
            request.is_awaited = True
            self._room.notify_all()
        return request

    def _taken(self, request: _Request) -> Read:
        if self._requests.get(request.name) is request:
            del self._requests[request.name]
            self._held_bytes -= request.held_bytes
            self._room.notify_all()
        if request.error is not None:
            raise request.error
        assert request.answer is not None
        return request.answer

    def _start_thread(self) -> None:
        if self._idle:
            self._queued.notify()
        elif len(self._threads) < THREADS:
            self._threads.append(self._spawn(self._work))

    def _spawn(self, target: Callable[..., None], *args: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, daemon=True, name="request")
        thread.start()
        return thread

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
                self._queued.wait_for(lambda: self._queue or self._closed)
                self._idle -= 1
                if self._closed:
                    return
                request = self._queue.popleft()
            self._run(request)

    def _run(self, request: _Request) -> None:
        answer: Read | None = None
        error: BaseException | None = None
        try:
            answer = self._fetch(request.name, lambda size: self._hold(request, size))
        except BaseException as raised:  # the reader gets it
            error = raised
        with self._lock:
            request.answer, request.error = answer, error
            self._answered.notify_all()

    def _hold(self, request: _Request, size: int) -> None:
        with self._lock:
            self._room.wait_for(
                lambda: (
                    self._closed
                    or request.is_awaited
                    or self._held_bytes - request.held_bytes + size <= MAX_BYTES
                )
            )
            if self._closed:
                raise Closed
            # Of an earlier attempt nothing is left.
            self._held_bytes += size - request.held_bytes
            request.held_bytes = size
