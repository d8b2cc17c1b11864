"""Checks that a child can import what it needs, before the worker takes its first hint.

A child that cannot would take hints and claim none. The children import it anyway, after the fork,
since the parent never imports NumPy; here the first one to succeed, or to fail, reports it.
"""

from __future__ import annotations

import os
import select
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from shared import installation, logs
from shared.errors import Exit, bounded
from shared.installation import WORKER_PACKAGES

#: The report of a child that could; it is as short as a pipe takes at once, like any other.
_DONE = b"done"
#: A slower start, from a disk that sleeps for example, is no reason to end.
MAX_WAIT_S = 60.0
_pipe: tuple[int, int] | None = None
_parent = 0  #: the pid of the process that waits


def expect() -> None:
    """Open the pipe to the children that are forked next."""
    global _pipe, _parent
    _pipe, _parent = os.pipe(), os.getpid()


@contextmanager
def reported() -> Iterator[None]:
    """Report how the imports of this child end. An error is raised if no parent waits for it."""
    try:
        yield
    except Exception as error:
        if not _write(_described(error).encode(errors="replace")):
            raise
    else:
        _write(_DONE)


def check() -> None:
    """Wait for the first report of the children, which are forked already.

    Raises:
        SystemExit: a child cannot import its packages; a line on standard error says why.
    """
    global _pipe
    if _pipe is None:
        return
    reading, writing = _pipe
    _pipe = None  # for children that are forked later
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        if not select.select([pipe], [], [], MAX_WAIT_S)[0]:
            return
        report = pipe.read(select.PIPE_BUF).partition(b"\n")[0]
    if report == _DONE:
        return
    problem = report.decode(errors="replace") or _broken("it is killed")
    text = f"this installation cannot run a worker: {problem}"
    line = logs.json_line(__name__, text) if logs.wants_json() else f"hangtag: {text}"
    print(line, file=sys.__stderr__, flush=True)  # Celery would format it for its log
    if not report:  # the pool would replace the killed children without end, also while it stops
        os._exit(Exit.SETUP)
    raise SystemExit(Exit.SETUP.value)


def _write(report: bytes) -> bool:
    """Whether the parent waits for the report."""
    if _pipe is None or os.getpid() == _parent:  # a later child, or a pool without children
        return False
    with suppress(OSError):  # the parent has its answer
        os.write(_pipe[1], report + b"\n")
    return True


def _described(error: Exception) -> str:
    missing = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    if package := WORKER_PACKAGES.get(missing.partition(".")[0]):
        return installation.lacks([package], "worker")
    return _broken(f"{type(error).__name__}: {' '.join(str(error).split())}")


def _broken(what: str) -> str:
    packages = " ".join(WORKER_PACKAGES.values())
    fix = f"{shlex.quote(sys.executable)} -m pip install --force-reinstall {packages}"
    return f"a process cannot import its packages ({bounded(what)}); reinstall them with: {fix}"
