"""The process whose copies (forks) are commands, workers or trainers, once in a run of pytest:
`python -m tests.support.processes.process_source KIND LISTENER RUN ROOM`.

Clients connect to the socket LISTENER; each message starts a copy. It ends with the process RUN.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import runpy
import socket
import sys
import tempfile
from collections.abc import Callable
from types import ModuleType
from typing import NoReturn

import msgspec

import producer.machine
import worker.lifecycle
import worker.requests
from tests.support.processes import proc_display
from tests.support.processes.copy_source import CopySource
from tests.support.processes.quick_end import QuickEnd

COMMANDS, WORKERS, TRAINERS = "commands", "workers", "trainers"
#: They import large libraries for a few commands.
_LEFT_OUT = ("producer.table.parquet", "producer.table.xlsx")
#: They run when they are imported, or read settings.
_PROGRAMS = ("__main__", "producer.machine.supervisor")
_OF_PARENTS = ("celery.apps.worker", "celery.concurrency.prefork", "kombu.transport.redis")
_OF_CHILDREN = (
    "worker.classify.process_state",
    "worker.classify.classify_batch",
    "worker.runtimes.litert_runtime",
)
_OF_TRAININGS = ("tensorflow", "keras")
_FDS = 3  #: the output, the errors, and where the end is reported
#: NumPy's threads would not be in its copies. worker/trainer.py sets the level of the log.
ENVIRONMENT = {"ROOM": proc_display.ROOM, "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}


class Order(msgspec.Struct, frozen=True):
    """What a copy has to do, in bytes: nothing of it need be UTF-8."""

    program: str
    arguments: list[bytes]
    cwd: bytes
    umask: int
    environment: dict[bytes, bytes]


def _import_commands() -> None:
    """Commands import most modules when they need them, so all are imported. The stacks that they
    start are copies, too."""
    for module in pkgutil.walk_packages(producer.__path__, "producer."):
        if module.name not in _LEFT_OUT and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    from tests.support.processes import copied_processes, copied_stacks

    copied_processes.enabled = True
    copied_stacks.copy_supervisors()


def _import_workers() -> None:
    """Most that a supervisor, a worker's parent and its children import; the application reads the
    settings when imported. Only a process that Python starts has a parent without NumPy."""
    for name in (*_OF_PARENTS, *_OF_CHILDREN):
        importlib.import_module(name)
    _import_all(worker.lifecycle)
    _import_all(producer.machine)


def _import_trainers() -> None:
    """The same for trainers. Only one that Python starts has a parent without TensorFlow."""
    _import_workers()
    for name in _OF_TRAININGS:
        importlib.import_module(name)
    _import_all(worker.requests)
    _import_all(worker.requests)


def _import_all(package: ModuleType) -> None:
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if not module.name.endswith(_PROGRAMS):
            importlib.import_module(module.name)


_IMPORT: dict[str, Callable[[], None]] = {
    COMMANDS: _import_commands,
    WORKERS: _import_workers,
    TRAINERS: _import_trainers,
}


def _become(order: Order, output: int, errors: int) -> None:
    """Have the environment, folder, umask and streams of the order."""
    for fd, standard in ((output, 1), (errors, 2)):
        os.dup2(fd, standard)
        os.close(fd)
    # The first one may have been a file, in which a stream keeps its place.
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    os.chdir(order.cwd)
    os.umask(order.umask)
    os.environb.clear()
    os.environb.update(order.environment)
    tempfile.tempdir = None


def _run(order: Order, end: QuickEnd) -> NoReturn:
    sys.path[0] = os.fsdecode(order.cwd)  # as `python -m` has it
    sys.argv[1:] = map(os.fsdecode, order.arguments)
    proc_display.replace([sys.executable, "-m", order.program, *sys.argv[1:]], order.environment)
    try:
        runpy.run_module(order.program, run_name="__main__", alter_sys=True)
        sys.exit()
    except SystemExit as ended:
        end.code = ended.code or 0
        raise


def main() -> None:
    """Be copied until the run ends."""
    end = QuickEnd()
    kind, listener, run, _ = sys.argv[1:]
    _IMPORT[kind]()
    gc.collect()
    gc.freeze()  # a search for garbage would copy the memory of every object
    source = CopySource(socket.socket(fileno=int(listener)), os.pidfd_open(int(run)), _FDS)
    if copied := source.next_copy():
        message, streams = copied
        order = msgspec.msgpack.decode(message, type=Order)
        _become(order, *streams)
        _run(order, end)


if __name__ == "__main__":
    main()
