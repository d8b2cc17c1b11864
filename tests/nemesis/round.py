"""One round: a job, the faults that its seed wants, and the checker."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from producer.journal.snapshot import read_snapshot
from tests.nemesis.fixtures import School
from tests.nemesis.history import History
from tests.nemesis.plan import Plan
from tests.nemesis.scenario import Possible, Scene
from tests.nemesis.schedule import Schedule
from tests.nemesis.verdict import Verdict

#: Once all faults are healed, some work must be finished at least as often: whatever is waited
#: for (a heartbeat, a lease, an orphan's hint, copies of a model that Redis lost) takes less.
STALL_S = 60.0
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
    resumed_s: float = 0.0  #: from the last fault's end to the next result
    rest_s: float = 0.0  #: from the last fault's end to the job's: how busy is the machine?
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
                self._until(scene, schedule.is_due, STALL_S, "no next fault")
                schedule.act()
            self._history.note("the last fault is healed")
            self._finish(scene, schedule.last_s)
        finally:
            out.injected, out.held = dict(schedule.injected), dict(+schedule.held)
            out.skipped, out.runs = dict(Counter(schedule.skipped)), scene.job.runs
        out.rest_s = max(0.0, scene.job.done_s - schedule.last_s)
        out.faults += out.verdict.reach(scene, schedule.away)

    def _finish(self, scene: Scene, since_s: float) -> None:
        """Wait for the end of all work, which must not stand still."""
        before = _progress(scene)
        while not scene.done:
            self._until(
                scene,
                lambda before=before: _progress(scene) != before,  # type: ignore[misc]
                STALL_S,
                "no work was finished",
            )
            if not self._outcome.resumed_s:
                self._outcome.resumed_s = self._history.now_s - since_s
            before = _progress(scene)

    def _until(self, scene: Scene, over: Callable[[], bool], limit_s: float, fault: str) -> None:
        deadline = time.monotonic() + limit_s
        while not over():
            for command in scene.commands:
                command.turn()
            if time.monotonic() > deadline:
                stories = "\n".join(c.process.story for c in scene.commands if c.process)
                raise AssertionError(f"{fault} within {limit_s:.0f} s\n{stories}")
            time.sleep(_POLL_S)


def _progress(scene: Scene) -> tuple[int, int, int]:
    """Changes whenever something is finished: images, a command, what a training has said."""
    view = read_snapshot(scene.output)
    told = scene.training.process if scene.training else None
    return (
        view.done if view else 0,
        sum(command.done for command in scene.commands),
        len(told.log) if told else 0,
    )


def _has_begun(scene: Scene) -> bool:
    process = scene.job.process
    return scene.job.done or bool(process and (view := process.view) and view.done)
