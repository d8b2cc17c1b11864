"""One step of CI or of the night: a make target, what it depends on, and what came of it."""

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
#: How long a step that ran out of time has to end its processes.
_GRACE_S = 30.0


class Step(NamedTuple):
    """`make TARGET VARIABLE=...`, whose pytest run writes `build/reports/NAME.xml`.

    `inputs` are paths from the root, as git understands them: files, folders, patterns.
    """

    name: str
    target: str
    inputs: tuple[str, ...]
    variables: tuple[str, ...] = ()
    limit_s: float = 3600.0
    tests: bool = True  #: without a single test it has not run, whatever it says


class Outcome(NamedTuple):
    """How a step went, or why it was not run."""

    name: str
    result: str
    seconds: float = 0.0
    counts: Counts = Counts()
    note: str = ""


def run(step: Step) -> Outcome:
    """Run it to its end, or to its limit; its output goes where ours goes."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    for old in REPORTS.glob(f"{step.name}.*"):
        old.unlink()
    print(f"== {step.name}: {' '.join(command(step))}", flush=True)
    began = time.monotonic()
    # A group of its own, so that a step beyond its limit leaves no process.
    process = subprocess.Popen(command(step), cwd=ROOT, start_new_session=True)
    note = ""
    try:
        code = process.wait(step.limit_s)
    except subprocess.TimeoutExpired:
        code, note = _end(process), f"ended at its limit of {step.limit_s:.0f} s"
    except BaseException:
        _end(process)
        raise
    counts = junit.read(sorted(REPORTS.glob(f"{step.name}.xml")))
    result = PASSED if code == 0 else FAILED
    if code == 0 and step.tests and not counts.cases:
        result, note = NOT_RUN, "it ran no test; its output says why"
    return Outcome(step.name, result, time.monotonic() - began, counts, note or _figures(step))


def _figures(step: Step) -> str:
    """The first line of what it wrote to `build/reports/NAME.note`, if anything."""
    note = REPORTS / f"{step.name}.note"
    return note.read_text().partition("\n")[0] if note.exists() else ""


def command(step: Step) -> list[str]:
    """What is run."""
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
