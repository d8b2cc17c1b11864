"""One round: a job, the faults of its seed, and the checker."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from producer.job.snapshot import read_snapshot
from tests.nemesis.fixtures import School
from tests.nemesis.history import History
from tests.nemesis.plan import Plan
from tests.nemesis.scenario import Possible, Scene
from tests.nemesis.schedule import Schedule
from tests.nemesis.verdict import Verdict

#: The longest time without progress after all faults are healed: each wait (for a heartbeat, a
#: death, a repeated hint, copies of a model that Redis lost) is shorter.
STALL_S = 60.0
FIRST_RESULT_S = 60.0
_POLL_S = 0.02


class Outcome(msgspec.Struct):
    """The outcome of a round. `faults` lists the errors; empty is a pass."""

    plan: Plan
    faults: list[str] = []
    injected: dict[str, int] = {}  #: by kind
    held: dict[str, int] = {}  #: faults whose victim held a live claim
    skipped: dict[str, int] = {}
    verdict: Verdict = msgspec.field(default_factory=Verdict)
    runs: int = 0  #: of the producer
    resumed_s: float = 0.0  #: from the last fault's end to the next result
    rest_s: float = 0.0  #: from the last fault's end to the job's: depends on the machine's load
    whole_s: float = 0.0


class Round:
    def __init__(self, plan: Plan, school: School, possible: Possible, folder: Path) -> None:
        self._plan, self._school, self._possible = plan, school, possible
        self._folder = folder
        self._history = History(folder / "history.txt")
        self._outcome = Outcome(plan)

    def run(self) -> Outcome:
        """Run the round once. Errors are in the outcome."""
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
            self._until(scene, lambda: _has_started(scene), FIRST_RESULT_S, "no first result")
            while schedule.has_next():
                self._until(scene, schedule.is_due, STALL_S, "no next fault")
                schedule.act()
            self._history.note("the last fault is healed")
            self._finish(scene, schedule.last_s)
        finally:
            out.injected, out.held = dict(schedule.injected), dict(+schedule.held)
            out.skipped, out.runs = dict(Counter(schedule.skipped)), scene.job.runs
        out.rest_s = max(0.0, scene.job.done_s - schedule.last_s)
        out.faults += out.verdict.reach(scene, schedule.outages)

    def _finish(self, scene: Scene, since_s: float) -> None:
        """Wait for the end of all work, which must make progress."""
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
    """Changes with every progress: images done, a command done, a line in a training's log."""
    view = read_snapshot(scene.output)
    training = scene.training.process if scene.training else None
    return (
        view.done if view else 0,
        sum(command.done for command in scene.commands),
        len(training.log) if training else 0,
    )


def _has_started(scene: Scene) -> bool:
    process = scene.job.process
    return scene.job.done or bool(process and (view := process.view) and view.done)
