"""The current throughput of a job or a worker."""

from __future__ import annotations

from collections import deque

#: Older samples do not count, unless there are no others.
SPAN_S = 30.0
#: The shortest span over which a rate is computed.
LEAST_S = 0.5
#: A century: work with a longer estimate makes no progress.
LONGEST_S = 100 * 365 * 86_400.0


class Rate:
    """The rate over the last SPAN_S seconds, for samples every few seconds or more often."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def mark(self, now_s: float, done: int) -> float:
        """Add a sample: `done` images by now. Returns the same as `seen`."""
        self._samples.append((now_s, done))
        while len(self._samples) > 2 and self._samples[1][0] <= now_s - SPAN_S:
            self._samples.popleft()
        return self.rate_at(now_s, done)

    def rate_at(self, now_s: float, done: int) -> float:
        """Images per second as of now, with `done` images by now; 0 if unknown."""
        since_s, before = self._samples[0] if self._samples else (now_s, done)
        if now_s - since_s < LEAST_S:
            return 0.0
        return round(max(0, done - before) / (now_s - since_s), 1)


def left_s(total: float | None, done: float, rate: float) -> float | None:
    """Seconds until `total` items are done at this rate; None while unknown."""
    if total is None or rate <= 0:
        return None
    seconds = max(0, total - done) / rate
    return round(seconds, 1) if seconds <= LONGEST_S else None
