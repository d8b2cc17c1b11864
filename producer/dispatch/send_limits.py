"""How many new batches may be sent in a turn, and how large each may be: as many as the window of
the job and the server's memory allow."""

from __future__ import annotations

import time
from collections.abc import Iterator

import redis

from producer.dispatch.batcher import BatchLimits
from producer.dispatch.window import STORED_SHARE, Window, measure
from shared.runtimes import RuntimeKind
from shared.throughput import Rate

#: The work of a process between two results; and so little that it is not worth a message.
BATCH_S, FEW_S = 1.0, 0.02
#: The first batches, before the speed is known, double from one size to the other: up to this
#: one until there are results, then up to what takes BATCH_S at the speed since the first batch.
FIRST_IMAGES, UNKNOWN_IMAGES_MAX = 128, 512
#: A batch costs about a millisecond for its messages, whatever its size.
FEWEST_IMAGES = 32
#: Results do not come sooner.
_TICK_S = 1e-3
#: The bytes of new batches held in one turn; the last batch may exceed it.
TURN_BYTES = 1 << 24


class BatchSize:
    """How many images a batch may have, and how few it should have, by the speed of the workers.

    A batch's results arrive together. Large batches cost less, but one that takes a process longer
    than a second only makes a person wait for progress, and for the end of a cancelled job. Small
    ones keep all processes busy at the end of a job, and each costs the same for its messages.
    """

    def __init__(self, done: int = 0) -> None:
        """`done`: images of earlier runs."""
        self._rate, self._earlier, self._done = Rate(), done, done
        self._formed, self._start_s = 0, 0.0

    def mark(self, done: int) -> None:
        """Note how many images are done after new results. The first ones only start the clock."""
        self._done = done
        self._rate.mark(time.monotonic(), done)

    def images(self, window: Window) -> int:
        """The most images of the next batch."""
        self._formed += 1
        is_known, speed = self._speed(window)
        if is_known:
            return max(FEWEST_IMAGES, int(BATCH_S * speed))
        doubled = FIRST_IMAGES << min(self._formed - 1, 16)
        return min(doubled, max(UNKNOWN_IMAGES_MAX, int(BATCH_S * speed)))

    def few(self, window: Window) -> int:
        """The images of a batch that is not worth its message."""
        return int(FEW_S * self._speed(window)[1])

    def _speed(self, window: Window) -> tuple[bool, float]:
        """Images a second of a process, and whether they were seen; if not, it does these or more,
        since the workers may have started after the first batch was sent."""
        now_s = time.monotonic()
        self._start_s = self._start_s or now_s
        if not window.children:
            return False, 0.0
        seen = self._rate.seen(now_s, self._done)
        least = (self._done - self._earlier) / max(_TICK_S, now_s - self._start_s)
        # Other jobs take their share of each process.
        return bool(seen), (seen or least) * max(1, window.jobs) / window.children


class SendLimits:
    """The limits of one job."""

    def __init__(self, runtime: RuntimeKind, done: int = 0) -> None:
        """`done`: images of earlier runs."""
        self._runtime = runtime
        self.window = Window()
        self._size = BatchSize(done)
        self._sent_bytes = 0  #: bytes that were added to the server since the last measurement

    def measure(self, client: redis.Redis) -> None:
        """Renew the window. Raises redis.exceptions.RedisError."""
        self.window, self._sent_bytes = measure(client, self._runtime), 0

    def finished(self, done: int) -> None:
        """Note how many images are done after new results."""
        self._size.mark(done)

    def room(self, under_way: int) -> int:
        """The number of batches that may be added to those under way."""
        full = self.window.full or self._sent_bytes >= self.window.spare_bytes
        return 0 if full else self.window.batches - under_way

    def of_turn(self, under_way: int) -> Iterator[BatchLimits]:
        """The limits of each batch that may follow in this turn; of one if none is under way. Each
        is `sent` before the next."""
        window, most_bytes = self.window, self._sent_bytes + TURN_BYTES
        while self.room(under_way) > 0 and self._sent_bytes < most_bytes:
            images, few = self._size.images(window), self._size.few(window)
            yield BatchLimits(window.batch_share, window.batches, images, few)
            if not under_way:
                return  # the workers, which have none, need not wait for the others
            under_way += 1

    def sent(self, payload_bytes: int) -> None:
        """Count the bytes of a new batch."""
        self._sent_bytes += int(STORED_SHARE * payload_bytes)
