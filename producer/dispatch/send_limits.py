"""How many new batches may be sent in a turn, and how large each may be: as many as the window of
the job and the server's memory allow."""

from __future__ import annotations

from collections.abc import Iterator

import redis

from producer.dispatch.batch_size import BatchSize
from producer.dispatch.batcher import BatchLimits
from producer.dispatch.window import STORED_SHARE, Window, measure
from shared.runtimes import RuntimeKind

#: The bytes of new batches held in one turn; the last batch may exceed it.
TURN_BYTES = 1 << 24


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
