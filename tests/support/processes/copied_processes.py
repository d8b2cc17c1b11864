"""`hangtag` commands, workers and trainers that start in a fraction of the time: each is a copy
(fork) of a process that has imported their modules and nothing else; see process_source.py.

It is a process of its own, with its own environment, folder, streams and signals, and /proc
displays its command line and environment. Tests of faults and benchmarks start each process, and so
does a test that gives Python or a library other variables.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tests.support.processes import proc_display, process_source
from tests.support.processes.process_source import COMMANDS, TRAINERS, WORKERS, Order
from tests.support.servers.redis_server import TEMP_DIR

ROOT = Path(__file__).parents[3]
COMMAND, WORKER = "producer.cli", "worker.serve"
#: Its copies start a stack's workers; see tests/support/processes/copied_stacks.py.
SUPERVISOR = "tests.support.processes.copied_supervisor"
TRAINER_APP = "worker.trainer"
#: Set where tests have the marker of this name.
TRAINS = "TESTS_TRAIN"
#: Names the process that has started this run of pytest, and a folder for the sources' sockets.
_RUN = "TESTS_RUN"
#: Read when Python or a library starts; the last ones name the mutant of tests/mutants/guards.
_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "TZ", "GUARDS_")
enabled = False
#: By the process that has connected, since a fork of pytest has its own connection.
_sources: dict[tuple[int, str], _Source] = {}
_started: list[subprocess.Popen[bytes]] = []


class CopiedProcess:
    """To be used like subprocess.Popen."""

    def __init__(self, pid: int, report: int) -> None:
        self.pid, self._report = pid, report
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._report], [], [], timeout)[0]:
            self.returncode = os.waitstatus_to_exitcode(int(os.read(self._report, 16) or b"9"))
            os.close(self._report)
        return self.returncode


def share() -> None:
    """Share sources with the processes that this one starts from now on, and end them with it."""
    if _RUN not in os.environ:
        folder = tempfile.mkdtemp(prefix="ht-", dir=TEMP_DIR)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ[_RUN] = f"{os.getpid()}:{folder}"
    _OWN[_RUN] = os.environ[_RUN]


def suits(program: str, environment: Mapping[str, str]) -> bool:
    """Whether programs are copied, and this one with this environment has the same interpreter and
    modules."""
    alike = _at_start(environment) == _at_start(_OWN)
    return enabled and program in (COMMAND, WORKER, SUPERVISOR) and alike


def start(
    program: str,
    arguments: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    output: int,
    errors: int,
) -> CopiedProcess:
    """Start a program whose standard output and errors go to these file descriptors."""
    key = os.getpid(), _kind(program, arguments, environment)
    if key not in _sources:
        _sources[key] = _Source(key[1])
    encoded = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
    words = [os.fsencode(word) for word in arguments]
    order = Order(program, words, os.fsencode(cwd), _umask(), encoded)
    return _sources[key].start(order, output, errors)


def _kind(program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    if program == COMMAND:
        return COMMANDS
    may_train = program == SUPERVISOR or TRAINER_APP in arguments
    return TRAINERS if may_train and TRAINS in environment else WORKERS


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class _Source:
    """A connection to the process that is copied."""

    def __init__(self, kind: str) -> None:
        self._channel, self._lock = _connected(kind), threading.Lock()

    def start(self, order: Order, output: int, errors: int) -> CopiedProcess:
        report, theirs = os.pipe()
        with self._lock:
            try:
                socket.send_fds(
                    self._channel, [msgspec.msgpack.encode(order)], [output, errors, theirs]
                )
            finally:
                os.close(theirs)
            return CopiedProcess(int(self._channel.recv(16)), report)

    def close(self) -> None:
        self._channel.close()


def _connected(kind: str) -> socket.socket:
    """To the source of this kind, which is started by the first process of the run."""
    run, _, folder = _OWN[_RUN].partition(":")
    path = os.path.join(folder, f"{kind}-{_fingerprint()}")
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            channel.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):  # the latter if it was killed
            Path(path).unlink(missing_ok=True)
            _start_source(kind, path, run)
            channel.connect(path)
    return channel


def _start_source(kind: str, path: str, run: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()
        fd = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", process_source.__name__, kind, str(fd), run,
             proc_display.ROOM],
            cwd=ROOT, env=_OWN | process_source.ENVIRONMENT, pass_fds=[fd],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    _started.append(process)


@atexit.register
def _leave() -> None:
    """Leave the sources to the other processes of the run."""
    for source in _sources.values():
        source.close()
    for process in _started:
        process.returncode = 0  # else Popen warns of a process that is still running


def _fingerprint() -> str:
    """Of what all copies of a source have in common."""
    variables = sorted(_at_start(_OWN).items())
    return hashlib.sha256(repr((ROOT, sys.executable, variables)).encode()).hexdigest()[:8]


def _own_environment() -> dict[str, str]:
    """That of the process that is copied: as of a process of a fleet, without its settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HANGTAG_")}
    places = os.pathsep.join([str(ROOT), inherited.get("PYTHONPATH", "")])
    return inherited | {"PYTHONPATH": places}


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    found = {k: v for k, v in environment.items() if k.startswith(_AT_START)}
    places = dict.fromkeys(found.pop("PYTHONPATH", "").split(os.pathsep))
    return found | {"PYTHONPATH": os.pathsep.join(place for place in places if place)}


#: Taken at the start: a test may change the variables for the commands that it starts.
_OWN = _own_environment()
