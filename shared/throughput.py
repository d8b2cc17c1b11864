"""How fast something goes at the moment: a job, or a worker."""

from __future__ import annotations

from collections import deque

#: What is further back does not count, unless nothing else is known.
SPAN_S = 30.0
#: In less time than this nothing can be said.
LEAST_S = 0.5


class Rate:
    """The rate over the last SPAN_S seconds. Marks come every few seconds, or more often."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def mark(self, now_s: float, done: int) -> float:
        """Remember that `done` are done by now; answers as `seen` does."""
        self._marks.append((now_s, done))
        while len(self._marks) > 2 and self._marks[1][0] <= now_s - SPAN_S:
            self._marks.popleft()
        return self.seen(now_s, done)

    def seen(self, now_s: float, done: int) -> float:
        """Images per second as of now, when `done` are done; 0 while that is not known."""
        since_s, before = self._marks[0] if self._marks else (now_s, done)
        if now_s - since_s < LEAST_S:
            return 0.0
        return round(max(0, done - before) / (now_s - since_s), 1)
