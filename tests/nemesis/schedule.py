"""The schedule of a round while it runs: what the seed wants next, and what must be healed."""

from __future__ import annotations

import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable

from redis.exceptions import RedisError

from tests.nemesis.faults.all import FAULTS
from tests.nemesis.faults.base import Fault, NotNow
from tests.nemesis.plan import Step
from tests.nemesis.scenario import Scene

#: A fault whose target is not healed yet, since something took longer than planned.
LATER_S = 0.2


class Schedule:
    """Begins with the first `begin`; `act` does what is due."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._history = scene, scene.history
        self._began = 0.0
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._busy: set[tuple[str, int]] = set()
        self.injected: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.skipped: list[str] = []
        self.last_s = 0.0  #: when something was done or healed last, by the history's clock
        #: From when to when the producer could not reach the server, or only badly.
        self.away: list[tuple[float, float]] = []

    def begin(self) -> bool:
        """Whether there is something left to do; with the first call the clock starts."""
        if not self._began:
            self._began = time.monotonic()
            for step in self._scene.plan.steps:
                self._push(step.at_s, lambda step=step: self._do(step))  # type: ignore[misc]
        return bool(self._due)

    def is_due(self) -> bool:
        """Whether the next one's time has come."""
        return self._now_s >= self._due[0][0]

    def act(self) -> None:
        """Do it."""
        heapq.heappop(self._due)[2]()

    @property
    def _now_s(self) -> float:
        return time.monotonic() - self._began

    def _push(self, at_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at_s, next(self._order), act))

    def _do(self, step: Step) -> None:
        target = step.target(self._scene.plan.workers)
        if target in self._busy:
            self._push(self._now_s + LATER_S, lambda: self._do(step))
        elif self._scene.done:
            self._skip(step, "all work is done")
        else:
            self._begin(step, target)

    def _begin(self, step: Step, target: tuple[str, int]) -> None:
        fault, since = FAULTS[step.kind](self._scene, step.victim), self._history.now_s
        try:
            fault.begin()
        except (NotNow, RedisError) as error:
            self._skip(step, str(error))
            return
        self.injected[step.kind] += 1
        self.held[step.kind] += fault.held
        self.last_s = self._history.now_s
        self._history.note(f"{step.kind} for {step.hold_s} s: {fault.who}")
        self._busy.add(target)
        self._push(self._now_s + step.hold_s, lambda: self._heal(fault, target, since))

    def _heal(self, fault: Fault, target: tuple[str, int], since: float) -> None:
        fault.heal()
        self._busy.remove(target)
        self.last_s = self._history.now_s
        if fault.server_away:
            self.away.append((since, self.last_s))
        self._history.note(f"{fault.kind} is healed")

    def _skip(self, step: Step, why: str) -> None:
        self.skipped.append(f"{step.kind}: {why}")
        self._history.note(f"{step.kind} is not done: {why}")
