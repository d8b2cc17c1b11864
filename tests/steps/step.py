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
PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"
#: Time between SIGTERM and SIGKILL for a step at its limit.
_GRACE_S = 30.0


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


class Outcome(NamedTuple):
    """The result of a step, or the reason why it did not run."""

    name: str
    result: str
    seconds: float = 0.0
    counts: Counts = Counts()
    note: str = ""


def run(step: Step) -> Outcome:
    """Run a step to its end or its limit; its output is not captured."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    for old in REPORTS.glob(f"{step.name}.*"):
        old.unlink()
    print(f"== {step.name}: {' '.join(command(step))}", flush=True)
    started = time.monotonic()
    # In a new session, so that a step beyond its limit leaves no process.
    process = subprocess.Popen(command(step), cwd=ROOT, start_new_session=True)
    note = ""
    try:
        code = process.wait(step.limit_s)
    except subprocess.TimeoutExpired:
        code, note = _end(process), f"stopped at its limit of {step.limit_s:.0f} s"
    except BaseException:
        _end(process)
        raise
    counts = junit.read(sorted(REPORTS.glob(f"{step.name}.xml")))
    note = note or _figures(step)
    result = PASSED if code == 0 else FAILED
    if code == 0 and step.tests and not counts.cases:
        result, note = (NOT_RUN, note) if note else (FAILED, "it ran no test; see its output")
    return Outcome(step.name, result, time.monotonic() - started, counts, note)


def _figures(step: Step) -> str:
    """The first line of `build/reports/NAME.note`, if the step wrote it."""
    note = REPORTS / f"{step.name}.note"
    return note.read_text().partition("\n")[0] if note.exists() else ""


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
