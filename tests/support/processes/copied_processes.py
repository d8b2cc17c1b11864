"""`hangtag` commands and workers that start in a fraction of the time: each is a copy (fork) of a
process that has imported their modules and nothing else.

It is a process of its own, with its own environment, folder, streams and signals, and /proc
displays its command line and environment. Tests of faults and benchmarks start each process, and so
does a test that gives Python or a library other variables.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

import producer.stack
import worker.lifecycle

ROOT = Path(__file__).parents[3]
COMMAND, WORKER = "producer.cli", "worker.serve"
#: Its copies start the stack's workers; see tests/support/processes/copied_stacks.py.
STACKS = "tests.support.processes.copied_stacks"
#: They import large libraries for a few commands.
_LEFT_OUT = ("producer.predict.plot", "producer.formats.parquet", "producer.formats.xlsx")
_OF_CHILDREN = (
    "worker.inference.process_state",
    "worker.inference.classify_batch",
    "worker.runtimes.litert_runtime",
)
_MESSAGE_BYTES = 1 << 18
#: Of the process that is copied: a copy's command line and environment take their place.
_ROOM_BYTES = 1 << 14
_FDS = 3  #: the output, the errors, and where the end is reported
_ROOM = "x" * _ROOM_BYTES
#: NumPy's threads would not be in its copies.
_OF_SOURCE = {"ROOM": _ROOM, "OPENBLAS_NUM_THREADS": "1"}
#: Read when Python or a library starts; the last ones name the mutant of tests/mutants/guards.
_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "TZ", "GUARDS_")
enabled = False
#: By the process that started it, since a fork of pytest has its own, and by its modules.
_sources: dict[tuple[int, bool], _Source] = {}


class Order(msgspec.Struct, frozen=True):
    """What a copy has to do, in bytes: nothing of it need be UTF-8."""

    program: str
    arguments: list[bytes]
    cwd: bytes
    umask: int
    environment: dict[bytes, bytes]


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


def suits(program: str, environment: Mapping[str, str]) -> bool:
    """Whether programs are copied, and this one with this environment has the same interpreter and
    modules."""
    alike = _at_start(environment) == _at_start(_OWN)
    return enabled and program in (COMMAND, WORKER, STACKS) and alike


def start(
    program: str,
    arguments: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    output: int,
    errors: int,
) -> CopiedProcess:
    """Start a program whose standard output and errors go to these file descriptors."""
    key = os.getpid(), program == COMMAND
    if key not in _sources:
        _sources[key] = _Source(COMMAND if program == COMMAND else WORKER)
    encoded = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
    words = [os.fsencode(word) for word in arguments]
    order = Order(program, words, os.fsencode(cwd), _umask(), encoded)
    return _sources[key].start(order, output, errors)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class _Source:
    """The process that is copied."""

    def __init__(self, modules: str) -> None:
        self._started_by, self._lock = os.getpid(), threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, modules, str(theirs.fileno()), _ROOM],
                cwd=ROOT, env=_OWN | _OF_SOURCE, pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        atexit.register(self.end)

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

    def end(self) -> None:
        if self._started_by == os.getpid():
            self._channel.close()
            self._process.kill()
            self._process.wait()


def _own_environment() -> dict[str, str]:
    """That of the process that is copied: as of a process of a fleet, without its settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HANGTAG_")}
    places = os.pathsep.join([str(ROOT), inherited.get("PYTHONPATH", "")])
    return inherited | {"PYTHONPATH": places}


#: Taken at the start: a test may change the variables for the commands that it starts.
_OWN = _own_environment()


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    found = {k: v for k, v in environment.items() if k.startswith(_AT_START)}
    places = dict.fromkeys(found.pop("PYTHONPATH", "").split(os.pathsep))
    return found | {"PYTHONPATH": os.pathsep.join(one for one in places if one)}


def _import_commands() -> None:
    """Commands import most modules when they need them, so all are imported."""
    for module in pkgutil.walk_packages(producer.__path__, "producer."):
        if module.name not in _LEFT_OUT and not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _import_workers() -> None:
    """Most that a supervisor, a worker's parent and its children import; the application reads the
    settings when imported. Only a process that Python starts has a parent without NumPy."""
    for name in (
        "celery.apps.worker",
        "celery.concurrency.prefork",
        "kombu.transport.redis",
        *_OF_CHILDREN,
    ):
        importlib.import_module(name)
    for module in pkgutil.iter_modules(worker.lifecycle.__path__, "worker.lifecycle."):
        importlib.import_module(module.name)
    for module in pkgutil.iter_modules(producer.stack.__path__, "producer.stack."):
        if module.name != "producer.stack.supervisor":
            importlib.import_module(module.name)


def _copied(channel: socket.socket) -> Order | None:
    """Starts copies until the test's process ends. In a copy, returns what it has to run."""
    running: dict[int, tuple[int, int]] = {}  # of its process: pid and where its end is reported
    while True:
        for fd in select.select([channel.fileno(), *running], [], [])[0]:
            if fd in running:
                _report_end(fd, *running.pop(fd))
                continue
            message, fds, *_ = socket.recv_fds(channel, _MESSAGE_BYTES, _FDS)
            if not message:
                return None
            pid = os.fork()
            if not pid:
                channel.close()
                for process, (_, report) in running.items():
                    os.close(process)
                    os.close(report)
                return _become(msgspec.msgpack.decode(message, type=Order), *fds)
            channel.send(str(pid).encode())
            *streams, report = fds
            for stream in streams:
                os.close(stream)
            running[os.pidfd_open(pid)] = pid, report


def _report_end(process: int, pid: int, report: int) -> None:
    os.close(process)
    with contextlib.suppress(BrokenPipeError):  # the test has forgotten it
        os.write(report, str(os.waitpid(pid, 0)[1]).encode())
    os.close(report)


def _become(order: Order, output: int, errors: int, report: int) -> Order:
    """Have the environment, folder, umask and streams of the order."""
    os.close(report)
    for fd, standard in ((output, 1), (errors, 2)):
        os.dup2(fd, standard)
        os.close(fd)
    os.chdir(order.cwd)
    os.umask(order.umask)
    os.environb.clear()
    os.environb.update(order.environment)
    return order


def display(words: Sequence[str], environment: Mapping[bytes, bytes]) -> None:
    """Have /proc display this command line and environment of this process."""
    sys.orig_argv[:] = words
    variables = [b"=".join(pair) for pair in environment.items()]
    stat = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    first, last, first_variable, last_variable = map(int, stat[45:49])
    _overwrite(first, last, list(map(os.fsencode, words)))
    _overwrite(first_variable, last_variable, variables)


def _overwrite(begin: int, end: int, words: Sequence[bytes]) -> None:
    """Write words into this process's memory, and zeros up to the end."""
    content = b"".join(word + b"\0" for word in words)
    if len(content) >= end - begin:
        raise ValueError(f"{len(content)} bytes have no room in {end - begin}")
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, content, len(content))


def _run(order: Order) -> NoReturn:
    sys.path[0] = os.fsdecode(order.cwd)  # as `python -m` has it
    sys.argv[1:] = map(os.fsdecode, order.arguments)
    display([sys.executable, "-m", order.program, *sys.argv[1:]], order.environment)
    runpy.run_module(order.program, run_name="__main__", alter_sys=True)
    sys.exit()


def main() -> None:
    """Be copied until the other end of the socket is closed."""
    modules, channel, _ = sys.argv[1:]
    _import_commands() if modules == COMMAND else _import_workers()
    gc.freeze()  # a search for garbage would copy the memory of every object
    if order := _copied(socket.socket(fileno=int(channel))):
        _run(order)


if __name__ == "__main__":
    main()
