"""The generator of jobs: which pictures, in which order, and the command that is run again."""

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

#: Between the end of a command and the next time that it is typed.
PAUSE_S = 0.3


def listed(plan: Plan, school: School, file: Path) -> list[str]:
    """The job's pictures, in an order and with the repetitions that the seed wants."""
    chance = random.Random(f"{plan.seed}/{plan.round}/pictures")
    paths = chance.choices(school.paths, k=plan.images)
    file.write_text("".join(f"{path}\n" for path in paths))
    return paths


class Command:
    """The same `hangtag` command, typed again whenever it has ended before its work was done."""

    def __init__(self, name: str, start: Callable[[], Producer], history: History) -> None:
        self.name, self._start, self._history = name, start, history
        self.process: Producer | None = None
        self.runs = 0
        self.faults: list[str] = []  #: ends that must not be
        self.answers: list[str] = []  #: what every end with OK said on standard output
        self.held_back = False  #: a fault wants it to stay away for a while
        self.done_s = 0.0
        self._due = 0.0

    @property
    def done(self) -> bool:
        """Whether it has ended well."""
        return bool(self.answers)

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self.process is not None and self.process.running

    def turn(self) -> None:
        """Look whether it has ended; start it when it is time to."""
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
            self.answers.append(process.out.strip())
            self.done_s = self._history.now_s
        else:
            self.faults += checker.end_faults(code, process.log)
