"""Autoscaling: the number of worker children for the current backlog.

It rises fast and falls slowly. While unclaimed batches wait, the number of children doubles after a
second or two. It falls only after some children were not needed for a while, and then directly to
the number that was needed. A child loads its models again, so small savings are skipped.

The producer keeps about two batches per child under way, and more for several jobs. So a fleet that
is too small has at least twice as many batches as children, and one that is too large about one
batch for each busy child. In between, the number stays.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

import msgspec

log = logging.getLogger(__name__)
#: Time between two polls of the backlog.
POLL_EVERY_S = 0.5
#: Number of consecutive polls that are averaged: a single one may fall between two batches.
POLLS = 3
#: Above this number of batches per child some of them wait.
CROWDED = 1.5
#: Two batches per child keep it busy.
BATCHES_PER_CHILD = 2
#: Scale down only after this time in which fewer children would have been enough.
QUIET_S = 15.0
#: Scale down only if at most this share of the children was needed.
WORTH_IT = 0.75
#: After a longer gap between two polls, the earlier ones are discarded.
GAP_S = 5.0


class Bounds(msgspec.Struct, frozen=True):
    """Limits on the number of children. With two equal limits it is fixed."""

    floor: int
    ceiling: int

    @property
    def fixed(self) -> bool:
        """Whether autoscaling is off."""
        return self.floor == self.ceiling

    def clamp(self, children: float) -> int:
        """The nearest number within the bounds."""
        return max(self.floor, min(self.ceiling, math.ceil(children)))


class Target(msgspec.Struct, frozen=True):
    """The target number of children, and the backlog since it was decided."""

    children: int
    polls: tuple[tuple[float, int], ...] = ()  #: time in seconds, batches without a result


def decide(target: Target, bounds: Bounds, now_s: float, batches: int) -> Target:
    """The target after a poll at `now_s` that found `batches` without a result.

    Call it a few times a second at most, and only once the requested children have started:
    before that, the backlog does not show whether they are enough.
    """
    children = bounds.clamp(target.children)
    if children != target.children:
        return Target(children)
    polls = (*_recent(target.polls, now_s), (now_s, batches))
    wanted = bounds.clamp(_wanted(children, polls))
    return Target(wanted) if wanted != children else Target(children, polls)


def _recent(polls: tuple[tuple[float, int], ...], now_s: float) -> tuple[tuple[float, int], ...]:
    """The polls of the last QUIET_S and the last one before, which shows that they cover it."""
    if not polls or now_s - polls[-1][0] > GAP_S:
        return ()
    older = sum(now_s - at_s > QUIET_S for at_s, _ in polls)
    return polls[max(0, older - 1) :]


def _wanted(children: int, polls: tuple[tuple[float, int], ...]) -> float:
    """The number of children for the batches in progress and waiting: more when they crowd for some
    polls, fewer when few were there for long. `polls` has the time and the number of batches."""
    recent = [batches for _, batches in polls[-POLLS:]]
    if not children:
        return recent[-1] / BATCHES_PER_CHILD
    mean = sum(recent) / POLLS
    if len(recent) == POLLS and mean > CROWDED * children:
        return max(2 * children, mean / BATCHES_PER_CHILD)
    quiet = polls[-1][0] - polls[0][0] > QUIET_S
    most = max(batches for _, batches in polls)
    return most if quiet and most <= WORTH_IT * children else children


class Autoscaler:
    """Decides the worker's number of children. It starts with the lower bound."""

    def __init__(self, bounds: Bounds) -> None:
        self._target = Target(bounds.floor)
        self._due = 0.0

    def children(self, bounds: Bounds, backlog: Callable[[], int | None]) -> int:
        """The number within `bounds`; `backlog` returns None while it is unknown."""
        before, now = self._target.children, time.monotonic()
        if bounds.clamp(before) != before:
            self._target = Target(bounds.clamp(before))
        elif not bounds.fixed and now >= self._due:
            self._due = now + POLL_EVERY_S
            batches = backlog()
            if batches is not None:
                self._target = decide(self._target, bounds, now, batches)
        if self._target.children != before:
            log.info("scaling from %d to %d worker processes", before, self._target.children)
        return self._target.children
