"""How long a job still takes."""

from __future__ import annotations

#: A century: a job that seems to take longer stands still.
LONGEST_S = 100 * 365 * 86_400.0


def left_s(found: int, done: int, walking: bool, rate: float) -> float | None:
    """Seconds until a job is done at this rate; None while that is not known."""
    if walking or rate <= 0:
        return None
    seconds = max(0, found - done) / rate
    return round(seconds, 1) if seconds <= LONGEST_S else None
