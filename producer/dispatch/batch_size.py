"""How many images a batch may have, so that progress moves also with a slow model.

A batch's results arrive together. Large batches cost less, but one that takes a worker process
longer than a second only makes a person wait for news, and for the end of a cancelled job.
"""

from __future__ import annotations

import time

from producer.dispatch.window import Window
from shared.throughput import Rate

#: The work of a process between two results.
BATCH_S = 1.0
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
        now_s = time.monotonic()
        self._start_s = self._start_s or now_s
        self._formed += 1
        if not window.children:
            return self._doubled(UNKNOWN_IMAGES_MAX)
        # Other jobs take their share of each process.
        processes = window.children / max(1, window.jobs)
        if rate := self._rate.seen(now_s, self._done):
            return max(FEWEST_IMAGES, int(BATCH_S * rate / processes))
        # The workers have had this time, or less of it if they were not started.
        least_rate = (self._done - self._earlier) / max(_TICK_S, now_s - self._start_s)
        return self._doubled(max(UNKNOWN_IMAGES_MAX, int(BATCH_S * least_rate / processes)))

    def _doubled(self, most: int) -> int:
        return min(most, FIRST_IMAGES << min(self._formed - 1, 16))
