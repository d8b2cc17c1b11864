"""How fast a job goes at the moment."""

from __future__ import annotations

from collections import deque

#: What is further back does not count, unless nothing else is known.
SPAN_S = 30.0
#: In less time than this nothing can be said.
LEAST_S = 0.5
#: A century: a job that seems to take longer stands still.
LONGEST_S = 100 * 365 * 86_400.0


class Rate:
    """The rate over the last SPAN_S seconds of a run. Marks come about once a second."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def mark(self, now_s: float, done: int) -> float:
        """Images per second as of now, when `done` are done; 0 while that is not known."""
        self._marks.append((now_s, done))
        while len(self._marks) > 2 and self._marks[1][0] <= now_s - SPAN_S:
            self._marks.popleft()
        since_s, before = self._marks[0]
        if now_s - since_s < LEAST_S:
            return 0.0
        return round(max(0, done - before) / (now_s - since_s), 1)


def left_s(images: int, done: int, walking: bool, rate: float) -> float | None:
    """Seconds until a job is done at this rate; None while that is not known."""
    if walking or rate <= 0:
        return None
    seconds = max(0, images - done) / rate
    return round(seconds, 1) if seconds <= LONGEST_S else None
