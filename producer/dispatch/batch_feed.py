"""Takes new batches from the walk, as many as the window and the server's memory allow."""

from __future__ import annotations

import redis

from producer.dispatch.batch_size import BatchSize
from producer.dispatch.batcher import Batch, Batcher
from producer.dispatch.window import STORED_SHARE, Window, measure

#: The bytes of new batches held in one turn; the last batch may exceed it.
TURN_BYTES = 1 << 24


class BatchFeed:
    """The next batches of one job, within the limits of its window."""

    def __init__(self, batches: Batcher, generation: int) -> None:
        """`generation`: of the workers that can do the job."""
        self.window, self._generation = Window(), generation
        self._batches, self._size = batches, BatchSize()
        self._sent_bytes = 0  #: bytes that were added to the server since the last measurement

    def measure(self, client: redis.Redis) -> None:
        """Renew the window. Raises redis.exceptions.RedisError."""
        self.window, self._sent_bytes = measure(client, self._generation), 0

    def finished(self, done: int) -> None:
        """Note how many images are done after new results."""
        self._size.mark(done)

    def room(self, under_way: int) -> int:
        """The number of batches that may be added to those under way."""
        window = self.window
        if self._batches.exhausted or window.full or self._sent_bytes >= window.spare_bytes:
            return 0
        return window.batches - under_way

    def next(self, under_way: int) -> list[Batch]:
        """The batches to offer in this turn."""
        batches: list[Batch] = []
        most_bytes = self._sent_bytes + TURN_BYTES
        while (
            len(batches) < self.room(under_way)
            and self._sent_bytes < most_bytes
            and (batch := self._next()) is not None
        ):
            batches.append(batch)
            self._sent_bytes += int(STORED_SHARE * len(batch.blob))
        return batches

    def _next(self) -> Batch | None:
        window = self.window
        return self._batches.next(window.batch_share, window.batches, self._size.images(window))
