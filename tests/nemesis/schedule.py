"""The schedule of a running round: the next fault, and the faults to heal."""

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

#: The delay of a fault whose target is not healed yet.
LATER_S = 0.2


class Schedule:
    """Its clock starts with the first `has_next`; `act` does what is due."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._history = scene, scene.history
        self._started = 0.0
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._busy: set[tuple[str, int]] = set()
        self.injected: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.skipped: list[str] = []
        self.last_s = 0.0  #: the time of the last start or heal, by the history's clock
        #: (start, end) of each time in which the server was unreachable or slow for the producer.
        self.outages: list[tuple[float, float]] = []

    def has_next(self) -> bool:
        """Whether there is something left to do; the first call starts the clock."""
        if not self._started:
            self._started = time.monotonic()
            for step in self._scene.plan.steps:
                self._push(step.at_s, lambda step=step: self._do(step))  # type: ignore[misc]
        return bool(self._due)

    def is_due(self) -> bool:
        """Whether the next action is due."""
        return self._now_s >= self._due[0][0]

    def act(self) -> None:
        """Run the next action."""
        heapq.heappop(self._due)[2]()

    @property
    def _now_s(self) -> float:
        return time.monotonic() - self._started

    def _push(self, at_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at_s, next(self._order), act))

    def _do(self, step: Step) -> None:
        target = step.target(self._scene.plan.workers)
        if target in self._busy:
            self._push(self._now_s + LATER_S, lambda: self._do(step))
        elif self._scene.done:
            self._skip(step, "all work is done")
        else:
            self._inject(step, target)

    def _inject(self, step: Step, target: tuple[str, int]) -> None:
        fault, since = FAULTS[step.kind](self._scene, step.victim), self._history.now_s
        try:
            fault.start()
        except (NotNow, RedisError) as error:
            self._skip(step, str(error))
            return
        self.injected[step.kind] += 1
        self.held[step.kind] += fault.held
        self.last_s = self._history.now_s
        self._history.note(f"{step.kind} for {step.hold_s} s: {fault.detail}")
        self._busy.add(target)
        self._push(self._now_s + step.hold_s, lambda: self._heal(fault, target, since))

    def _heal(self, fault: Fault, target: tuple[str, int], since: float) -> None:
        fault.heal()
        self._busy.remove(target)
        self.last_s = self._history.now_s
        if fault.server_unreachable:
            self.outages.append((since, self.last_s))
        self._history.note(f"{fault.kind} is healed")

    def _skip(self, step: Step, why: str) -> None:
        self.skipped.append(f"{step.kind}: {why}")
        self._history.note(f"{step.kind} is skipped: {why}")
