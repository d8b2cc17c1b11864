"""The generator of jobs: the images, their order, and the command that is repeated."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from shared.errors import Exit
from tests.nemesis import checker
from tests.nemesis.fixtures import School
from tests.nemesis.history import History
from tests.nemesis.plan import Plan
from tests.support.processes.fleet import Producer

#: Between the end of a command and its next start.
PAUSE_S = 0.3


def listed(plan: Plan, school: School, file: Path) -> list[str]:
    """The job's images in random order with repetitions, drawn from the seed."""
    chance = random.Random(f"{plan.seed}/{plan.round}/pictures")
    paths = chance.choices(school.paths, k=plan.images)
    file.write_text("".join(f"{path}\n" for path in paths))
    return paths


class Command:
    """A `hangtag` command that is repeated until its work is done."""

    def __init__(self, name: str, start: Callable[[], Producer], history: History) -> None:
        self.name, self._start, self._history = name, start, history
        self.process: Producer | None = None
        self.runs = 0
        self.faults: list[str] = []  #: of exits that are not allowed
        self.outputs: list[str] = []  #: standard output of every run that ended with OK
        self.held_back = False  #: a fault delays the next start
        self.done_s = 0.0
        self._due = 0.0

    @property
    def done(self) -> bool:
        """Whether a run has ended with OK."""
        return bool(self.outputs)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running

    def turn(self) -> None:
        """Check whether it has ended; start it when it is due."""
        if self.process is not None and not self.process.running:
            self._ended(self.process)
            self.process = None
        wanted = self.process is None and not self.done and not self.held_back
        if wanted and time.monotonic() >= self._due:
            self.runs += 1
            self.process = self._start()
            self._history.note(f"{self.name} is started, time {self.runs}")

    def _ended(self, process: Producer) -> None:
        code = process.wait()
        last = (process.log.strip().splitlines() or [""])[-1]
        self._history.note(f"{self.name} ended with {code}: {last}")
        self._due = time.monotonic() + PAUSE_S
        if code == Exit.OK:
            self.outputs.append(process.out.strip())
            self.done_s = self._history.now_s
        else:
            self.faults += checker.end_faults(code, process.log)
