"""One step of CI or of the nightly run: a make target, its inputs and its outcome."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from tests.steps import junit
from tests.steps.junit import Counts

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "build" / "reports"
PASSED, FAILED, NOT_RUN, LEFT = "passed", "failed", "not run", "left"
#: Time between SIGTERM and SIGKILL for a step at its limit.
_GRACE_S = 30.0
_POLL_S = 0.1


class Step(NamedTuple):
    """`make TARGET VARIABLE=...`, whose pytest run writes `build/reports/NAME.xml`.

    `inputs` are git pathspecs from the root: files, folders, patterns.
    """

    name: str
    target: str
    inputs: tuple[str, ...]
    variables: tuple[str, ...] = ()
    limit_s: float = 3600.0
    tests: bool = True  #: without any test it has failed, or its note has the reason
    about_s: float = 60.0  #: on two idle cores
    waits: bool = False  #: mostly, so that it runs beside others
    needs: str = ""  #: a command without which it does not run


class Outcome(NamedTuple):
    """The result of a step, or the reason why it did not run."""

    name: str
    result: str
    seconds: float = 0.0
    counts: Counts = Counts()
    note: str = ""


def run(step: Step) -> Outcome:
    """Run a step to its end or its limit; its output is not captured."""
    running = Running(step)
    try:
        while (outcome := running.outcome()) is None:
            time.sleep(_POLL_S)
    finally:
        running.end()
    return outcome


class Running:
    """A step in progress, in a session of its own, so that it leaves no process."""

    def __init__(self, step: Step) -> None:
        """Start it."""
        self.step, self._started = step, time.monotonic()
        REPORTS.mkdir(parents=True, exist_ok=True)
        for old in REPORTS.glob(f"{step.name}.*"):
            old.unlink()
        where = f" > {_output(step)}" if step.waits else ""
        print(f"== {step.name}: {' '.join(command(step))}{where}", flush=True)
        self._process = None if _is_missing(step) else _process(step)

    def outcome(self) -> Outcome | None:
        """The outcome once it has ended; it is ended at its limit."""
        if self._process is None:
            return Outcome(
                self.step.name, NOT_RUN, note=f"{self.step.needs} is not on this machine"
            )
        code, note, seconds = self._process.poll(), "", time.monotonic() - self._started
        if code is None and seconds > self.step.limit_s:
            code, note = self.end(), f"stopped at its limit of {self.step.limit_s:.0f} s"
        if code is None:
            return None
        counts = junit.read(sorted(REPORTS.glob(f"{self.step.name}.xml")))
        note = note or _figures(self.step, counts)
        result = PASSED if code == 0 else FAILED
        if code == 0 and self.step.tests and not counts.cases:
            result, note = (NOT_RUN, note) if note else (FAILED, "it ran no test; see its output")
        return Outcome(self.step.name, result, seconds, counts, note)

    def end(self) -> int:
        """End what is left of it."""
        return _end(self._process) if self._process and self._process.poll() is None else 0


def _process(step: Step) -> subprocess.Popen[bytes]:
    if not step.waits:
        return subprocess.Popen(command(step), cwd=ROOT, start_new_session=True)
    with _output(step).open("wb") as file:
        return subprocess.Popen(
            command(step), cwd=ROOT, start_new_session=True, stdout=file, stderr=subprocess.STDOUT
        )


def _output(step: Step) -> Path:
    """What a step prints that runs beside others."""
    return REPORTS / f"{step.name}.log"


def _is_missing(step: Step) -> bool:
    """Also where a command of that name only says that it is not installed, as pyenv's does."""
    if not step.needs:
        return False
    try:
        done = subprocess.run([step.needs, "--version"], capture_output=True, check=False)
    except FileNotFoundError:
        return True
    return done.returncode != 0


def _figures(step: Step, counts: Counts) -> str:
    """The first line of `build/reports/NAME.note`, if there is one; or what its tests counted."""
    note = REPORTS / f"{step.name}.note"
    if note.exists():
        return note.read_text().partition("\n")[0]
    return ", ".join(f"{count:,} {name}" for name, count in counts.figures)


def command(step: Step) -> list[str]:
    return ["make", "--no-print-directory", step.target, f"STEP={step.name}", *step.variables]


def _end(process: subprocess.Popen[bytes]) -> int:
    for number, wait_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
            return process.wait(wait_s) or 1
        except ProcessLookupError:
            return process.wait() or 1
        except subprocess.TimeoutExpired:
            continue
    return 1
