"""A supervisor whose workers and trainers are copies of it, and its children: copied_stacks.py."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import logging
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from producer.machine import service
from tests.support.processes import proc_display

SUPERVISOR, WORKER = "producer.machine.supervisor", "worker.serve"
_FDS = 1 << 12
_PR_SET_PDEATHSIG = 1
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


class _Copy(subprocess.Popen[bytes]):
    """A worker or trainer that is a copy of this process, its supervisor."""

    def _execute_child(self, args: Sequence[str], *_: Any) -> None:
        displayed, theirs = os.pipe()
        # A signal for the copy would reach the supervisor, whose handlers it still has.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        supervisor, self.pid = os.getpid(), os.fork()
        if not self.pid:
            _become(args, self._environment, supervisor, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._child_created = True
        os.close(theirs)
        with contextlib.suppress(OSError):  # it has ended
            os.setpgid(self.pid, self.pid)
        os.read(displayed, 1)
        os.close(displayed)

    def __init__(self, argv: Sequence[str], environment: dict[str, str]) -> None:
        self._environment = environment
        super().__init__(argv)


def _become(
    argv: Sequence[str], environment: dict[str, str], supervisor: int, mask: Iterable[int]
) -> NoReturn:
    """Be a worker with nothing of the supervisor, whose functions never go on here."""
    code: object = 1
    try:
        _forget_supervisor()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(1)
        os.chdir("/")
        os.environ.clear()
        os.environ.update(environment)
        proc_display.replace(argv, os.environb)
        os.closerange(3, _FDS)
        sys.argv[1:] = argv[3:]
        sys.path[0] = "/"
        runpy.run_module(argv[2], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code or 0
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        _exit(code)


def _forget_supervisor() -> None:
    """Its signals and its log; its objects are never removed, and their files are closed once. It
    registers no function of its own for its end."""
    gc.freeze()
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    logging.root.handlers.clear()
    logging.root.setLevel(logging.WARNING)


def _exit(code: object) -> NoReturn:
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def _spawn(argv: list[str], env: dict[str, str], output: int | None) -> subprocess.Popen[bytes]:
    """Like producer.machine.service._spawn, which starts the server."""
    copied = argv[:2] == [sys.executable, "-m"] and argv[2] == WORKER
    return _Copy(argv, env) if copied else _started(argv, env, output)


_started = service._spawn


def main() -> None:
    """Be a supervisor in a session of its own, whose workers are copies of it."""
    os.setsid()
    service._spawn = _spawn
    proc_display.replace([sys.executable, "-m", SUPERVISOR], os.environb)
    runpy.run_module(SUPERVISOR, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
