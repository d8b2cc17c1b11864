"""How many images a batch may have, so that progress moves also with a slow model, and how few it
should have.

A batch's results arrive together. Large batches cost less, but one that takes a worker process
longer than a second only makes a person wait for news, and for the end of a cancelled job. At the
end of a job small ones keep all processes busy, but each costs the same for its messages.
"""

from __future__ import annotations

import time

from producer.dispatch.window import Window
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


class BatchSize:
    """Follows the speed of the workers on one job."""

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
