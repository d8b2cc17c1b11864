"""One round: a job, the faults that its seed wants, and the checker."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.nemesis.history import History
from tests.nemesis.plan import Plan
from tests.nemesis.scene import Possible, Scene
from tests.nemesis.schedule import Schedule
from tests.nemesis.school import School
from tests.nemesis.verdict import Verdict

#: From the last fault, or its healing, to the end of everything: far more than is needed.
BOUND_S = 120.0
FIRST_RESULT_S = 60.0
_POLL_S = 0.02


class Outcome(msgspec.Struct):
    """What a round came to. `faults` says what was wrong; empty is a pass."""

    plan: Plan
    faults: list[str] = []
    injected: dict[str, int] = {}  #: by kind
    held: dict[str, int] = {}  #: those whose victim held a live claim
    skipped: dict[str, int] = {}
    verdict: Verdict = msgspec.field(default_factory=Verdict)
    runs: int = 0  #: of the producer
    recovery_s: float = 0.0  #: from the last fault's end to the job's
    whole_s: float = 0.0


class Round:
    """Runs once."""

    def __init__(self, plan: Plan, school: School, possible: Possible, folder: Path) -> None:
        self._plan, self._school, self._possible = plan, school, possible
        self._folder = folder
        self._history = History(folder / "history.txt")
        self._outcome = Outcome(plan)

    def run(self) -> Outcome:
        """Do it all. Whatever goes wrong is in the outcome."""
        out = self._outcome
        with self._history as history:
            history.note(f"plan: {msgspec.json.encode(self._plan).decode()}")
            try:
                with Scene(
                    self._plan, self._school, self._possible, self._folder, history
                ) as scene:
                    self._go(scene)
            except Exception:
                out.faults.append(traceback.format_exc())
            out.whole_s = history.now_s
            history.note(f"outcome: {msgspec.json.encode(out).decode()}")
        return out

    def _go(self, scene: Scene) -> None:
        out = self._outcome
        schedule = Schedule(scene)
        try:
            self._until(scene, lambda: _has_begun(scene), FIRST_RESULT_S, "no first result")
            while schedule.begin():
                self._until(scene, schedule.is_due, BOUND_S, "no next fault")
                schedule.act()
            self._history.note("the last fault is healed")
            self._until(scene, lambda: scene.done, BOUND_S, "the work does not end")
        finally:
            out.injected, out.held = dict(schedule.injected), dict(+schedule.held)
            out.skipped, out.runs = dict(Counter(schedule.skipped)), scene.job.runs
        out.recovery_s = max(0.0, scene.job.done_s - schedule.last_s)
        out.faults += out.verdict.reach(scene, schedule.away)

    def _until(self, scene: Scene, over: Callable[[], bool], limit_s: float, fault: str) -> None:
        deadline = time.monotonic() + limit_s
        while not over():
            for command in scene.commands:
                command.turn()
            if time.monotonic() > deadline:
                stories = "\n".join(c.process.story for c in scene.commands if c.process)
                raise AssertionError(f"{fault} within {limit_s:.0f} s\n{stories}")
            time.sleep(_POLL_S)


def _has_begun(scene: Scene) -> bool:
    process = scene.job.process
    return scene.job.done or bool(process and (view := process.view) and view.done)
