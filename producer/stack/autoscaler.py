"""The pace: how many worker children there should be for the work that waits.

It rises fast and falls slowly. While batches wait that no child has, there are twice as many
children after a second or two; there are fewer only once some were not needed for a while, and
then at once as few as were needed. A new number is a new worker process, so small savings are not
worth one.

The producer keeps about two batches per child under way, and more where there are many jobs. So a
fleet that is too small always has twice as many batches as children, one that is too large about
one batch for each busy child, and what is between changes nothing.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

import msgspec

#: So many looks in a row are judged together: one alone may fall between two batches.
LOOKS = 3
#: More batches than this per child, and some of them wait.
CROWDED = 1.5
#: Two batches per child keep it busy.
BATCHES_PER_CHILD = 2
#: Fewer children only after so long in which fewer would have done.
QUIET_S = 15.0
#: And only if no more than this share of them was needed.
WORTH_IT = 0.75
#: Looks that are further apart have seen nothing of what was between.
GAP_S = 5.0


class Bounds(msgspec.Struct, frozen=True):
    """How many children there may be. The same number twice is that number, whatever waits."""

    floor: int
    ceiling: int

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to decide."""
        return self.floor == self.ceiling

    def clamp(self, children: float) -> int:
        """The number within the bounds that is next to this one."""
        return max(self.floor, min(self.ceiling, math.ceil(children)))


class Target(msgspec.Struct, frozen=True):
    """How many children there should be, and the backlog since that was decided."""

    children: int
    seen: tuple[tuple[float, int], ...] = ()  #: time in seconds, batches without a result


def decide(pace: Target, bounds: Bounds, now_s: float, batches: int) -> Target:
    """The pace after a look at `now_s` that found `batches` without a result.

    To be called a few times a second at most, and only while the children that were asked for last
    are at work: those that still start say nothing about whether they are enough.
    """
    children = bounds.clamp(pace.children)
    if children != pace.children:
        return Target(children)
    seen = (*_lately(pace.seen, now_s), (now_s, batches))
    wanted = bounds.clamp(_wanted(children, seen))
    return Target(wanted) if wanted != children else Target(children, seen)


def _lately(seen: tuple[tuple[float, int], ...], now_s: float) -> tuple[tuple[float, int], ...]:
    """The looks of the last QUIET_S, and the last one before: so one sees that they cover it."""
    if not seen or now_s - seen[-1][0] > GAP_S:
        return ()
    older = sum(now_s - at_s > QUIET_S for at_s, _ in seen)
    return seen[max(0, older - 1) :]


def _wanted(children: int, seen: tuple[tuple[float, int], ...]) -> float:
    recent = [batches for _, batches in seen[-LOOKS:]]
    if not children:
        return recent[-1] / BATCHES_PER_CHILD
    mean = sum(recent) / LOOKS
    if len(recent) == LOOKS and mean > CROWDED * children:
        return max(2 * children, mean / BATCHES_PER_CHILD)
    quiet = seen[-1][0] - seen[0][0] > QUIET_S
    most = max(batches for _, batches in seen)
    return most if quiet and most <= WORTH_IT * children else children


log = logging.getLogger(__name__)
LOOK_EVERY_S = 0.5


class Autoscaler:
    """How many children the worker should have now. It begins with as few as there may be."""

    def __init__(self, bounds: Bounds) -> None:
        self._pace = Target(bounds.floor)
        self._due = 0.0

    def children(self, bounds: Bounds, backlog: Callable[[], int | None]) -> int:
        """The number within `bounds`; `backlog` answers None while it says nothing."""
        before, now = self._pace.children, time.monotonic()
        if bounds.clamp(before) != before:
            self._pace = Target(bounds.clamp(before))
        elif not bounds.fixed and now >= self._due:
            self._due = now + LOOK_EVERY_S
            batches = backlog()
            if batches is not None:
                self._pace = decide(self._pace, bounds, now, batches)
        if self._pace.children != before:
            log.info("worker processes: %d instead of %d", self._pace.children, before)
        return self._pace.children
