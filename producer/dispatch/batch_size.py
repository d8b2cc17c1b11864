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
#: The first batches, before the speed is known, double from one size to the other.
FIRST_IMAGES, UNKNOWN_IMAGES_MAX = 128, 512
#: A batch costs about a millisecond for its messages, whatever its size.
FEWEST_IMAGES = 32


class BatchSize:
    """Follows the speed of the workers on one job."""

    def __init__(self) -> None:
        self._rate, self._done, self._formed = Rate(), 0, 0

    def mark(self, done: int) -> None:
        """Note how many images are done after new results. The first ones only start the clock."""
        self._done = done
        self._rate.mark(time.monotonic(), done)

    def images(self, window: Window) -> int:
        """The most images of the next batch."""
        rate = self._rate.seen(time.monotonic(), self._done)
        if not rate or not window.children:
            self._formed += 1
            return min(UNKNOWN_IMAGES_MAX, FIRST_IMAGES << min(self._formed - 1, 16))
        # Other jobs take their share of each process.
        of_process = rate * max(1, window.jobs) / window.children
        return max(FEWEST_IMAGES, int(BATCH_S * of_process))
