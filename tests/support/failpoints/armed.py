"""Armed failpoints: each kills, stops or raises in a process at its n-th passage.

The processes under test are the product's, started from modules of tests/faults/apps/, which call
`watch`. The armed shots are in a file, so that tests may share processes. Each
shot waits for the one before: the first ones bring about the situation that the last one tests.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from shared import failpoints
from tests.support.processes import procfs
from tests.support.processes.fleet import wait_for

FOLDER_VARIABLE = "HANGTAG_TEST_POINTS"
#: A folder for the names of all points that fire; see tests/support/failpoints/fired.py.
FIRED_VARIABLE = "HANGTAG_TEST_FIRED"
#: Read before any test has cleaned the environment.
_FIRED_FOLDER = os.environ.get(FIRED_VARIABLE, "")
KILL, RAISE, STOP = "kill", "raise", "stop"
WAYS = (KILL, RAISE, STOP)
_ARMED, _FIRED = "armed", "fired"


class AsTheTestWants(RuntimeError):
    """An unexpected error."""


class Shot(NamedTuple):
    """Fire at the n-th passage of the point `name` by a process; `pid` is the victim, or 0 for the
    passing process."""

    name: str
    nth: int = 1
    how: str = KILL
    pid: int = 0

    def __str__(self) -> str:
        return f"{self.name}-{self.nth}-{self.how}"


class Points:
    """Controls the failpoints of a test's processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that the processes need."""
        notes = {FIRED_VARIABLE: os.path.abspath(_FIRED_FOLDER)} if _FIRED_FOLDER else {}
        return {FOLDER_VARIABLE: str(self._folder), **notes}

    def arm(self, *shots: Shot) -> None:
        """Arm these shots in this order, and disarm all earlier ones."""
        self.disarm()
        draft = self._folder / "draft"
        token = secrets.token_hex(4)  # so that passages of an earlier test do not count
        draft.write_text("".join(f"{' '.join(map(str, shot))} {token}\n" for shot in shots))
        draft.rename(self._folder / _ARMED)

    def disarm(self) -> None:
        """Disarm all points."""
        for path in self._folder.iterdir():
            path.unlink()

    def victim(self, number: int = -1) -> int:
        """The pid of the process in which a point fired; 0 if it has not fired."""
        shots = (self._folder / _ARMED).read_text().splitlines()
        try:
            return int((self._folder / f"{_FIRED}{range(len(shots))[number]}").read_text())
        except FileNotFoundError:
            return 0

    def wait(self, number: int = -1) -> int:
        """Wait until a point has fired; return the process's pid."""
        return wait_for("the point", lambda: self.victim(number))

    def wait_until_stopped(self) -> int:
        """Wait until a process is stopped at the last point; return its pid."""
        pid = self.wait()
        wait_for("the stop", lambda: procfs.state(pid) == procfs.STOPPED)
        return pid


def watch() -> None:
    """Check the file at each point of this process, if its test arms any."""
    if FOLDER_VARIABLE not in os.environ:
        return
    folder = Path(os.environ[FOLDER_VARIABLE])
    passages: Counter[tuple[int, int, str]] = Counter()

    def on_pass(name: str) -> None:
        number, line = _next(folder)
        if not line or line.split()[0] != name:
            return
        shot = _parse(line)
        passages[os.getpid(), number, line] += 1
        if passages[os.getpid(), number, line] == shot.nth and _first(folder, number):
            _fire(shot)

    failpoints.watch(on_pass)


def _next(folder: Path) -> tuple[int, str]:
    """The number and line of the first shot that has not fired."""
    try:
        lines = (folder / _ARMED).read_text().splitlines()
    except FileNotFoundError:
        return 0, ""
    left = ((n, line) for n, line in enumerate(lines) if not (folder / f"{_FIRED}{n}").exists())
    return next(left, (0, ""))


def _parse(line: str) -> Shot:
    name, nth, how, pid, _ = line.split()
    return Shot(name, int(nth), how, int(pid))


def _first(folder: Path, number: int) -> bool:
    """Whether no process has fired this shot yet; the file records the pid that has."""
    draft = folder / f"draft{number}.{os.getpid()}"
    draft.write_text(str(os.getpid()))
    try:
        os.link(draft, folder / f"{_FIRED}{number}")
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _note(name: str) -> None:
    """Append the name; short appends of concurrent processes do not interleave."""
    if folder := os.environ.get(FIRED_VARIABLE):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "fired"), "ab", buffering=0) as file:
            file.write(f"{name}\n".encode())


def _fire(shot: Shot) -> None:
    _note(shot.name)
    if shot.how == RAISE:
        raise AsTheTestWants("as the test wants")
    victim = shot.pid or os.getpid()
    os.kill(victim, signal.SIGSTOP if shot.how == STOP else signal.SIGKILL)
    if shot.pid:
        procfs.wait_for_end([victim])
