"""The files that a process of a worker has on this machine; those of dead processes are removed.

The liveness file of a parent is small, and health checks read it. The heartbeat thread writes it in
each iteration, even if Redis is unreachable, so that a check needs neither Redis nor a password.

Temporary files are in a folder of the process, which names its owner, with all that libraries
leave. TensorFlow deletes its generated code at an exit that children of a pool do not have, and a
killed process deletes nothing. So the next process of this user deletes the folders of dead owners.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import util
from pathlib import Path

import msgspec

from shared.broker.runtime_paths import private_runtime_dir, runtime_dir
from shared.errors import MISFITS, SetupError
from shared.logs import DAY_S, LogLimit
from shared.process import started
from shared.settings import Settings

log = logging.getLogger(__name__)
TMPDIR = "TMPDIR"
#: After multiprocessing has deleted its own folder in it, which it does at -100.
_LAST = -101
LIVENESS_FOLDER = "alive"


def enter_own_folder() -> None:
    """Use an own folder until this process exits. Call it before a pool forks."""
    if folder := _take_folder():
        # A child of a pool forgets this, so it must hold nothing that acts when it is collected.
        delete = {"ignore_errors": True}
        util.Finalize(None, shutil.rmtree, args=(folder,), kwargs=delete, exitpriority=_LAST)


@contextmanager
def own_folder() -> Iterator[None]:
    """Use an own folder in the block, below that of the parent if it has one."""
    before, base = os.environ.get(TMPDIR), tempfile.gettempdir()
    folder = _take_folder()
    try:
        yield
    finally:
        if folder:
            tempfile.tempdir = base
            os.environ.pop(TMPDIR)
            if before is not None:
                os.environ[TMPDIR] = before
            shutil.rmtree(folder, ignore_errors=True)


def _take_folder() -> str:
    """Make a folder and use it from now on; empty if there is no room for one."""
    base = tempfile.gettempdir()
    remove_dead_folders(Path(base))
    try:
        folder = tempfile.mkdtemp(prefix=f"{_folder_prefix()}{os.getpid()}-{started(os.getpid())}-")
    except OSError as error:  # a full disk: what needs files says so
        log.warning("temporary files lie in %s: %s", base, error)
        return ""
    os.environ[TMPDIR] = tempfile.tempdir = folder
    return folder


def remove_dead_folders(base: Path) -> None:
    """Delete the folders of dead processes of this host and user."""
    prefix = _folder_prefix()
    for path in base.glob(f"{prefix}*"):
        with suppress(OSError, ValueError):
            pid, start, _ = path.name.removeprefix(prefix).split("-", 2)
            if path.lstat().st_uid == os.getuid() and started(int(pid)) != int(start):
                shutil.rmtree(path, ignore_errors=True)


def _folder_prefix() -> str:
    return f"hangtag-tmp-{socket.gethostname()}-"


class Liveness(msgspec.Struct, frozen=True):
    """The liveness of one worker parent. Times are the machine's monotonic clock, in seconds."""

    worker: str  #: host:pid:started
    turned_s: float  #: last iteration of its heartbeat thread
    beaten_s: float | None = None  #: when Redis last accepted its heartbeat


class LivenessFile:
    """The file of one worker parent. A file that cannot be written does not stop the worker."""

    def __init__(self, settings: Settings, worker_id: str) -> None:
        self._settings, self._worker_id = settings, worker_id
        self._beaten_s: float | None = None
        self._lines = LogLimit(log, DAY_S)

    def update(self, sent: bool) -> None:
        """Record an iteration of the heartbeat thread; `sent`: Redis just accepted a heartbeat."""
        now = time.monotonic()
        self._beaten_s = now if sent else self._beaten_s
        try:
            self._write(msgspec.json.encode(Liveness(self._worker_id, now, self._beaten_s)))
        except (OSError, SetupError) as error:
            self._lines.error(f"health checks will not see this worker: {error}")

    def withdraw(self) -> None:
        """Delete the file when the worker ends."""
        with suppress(OSError, SetupError):
            self._path(runtime_dir(self._settings)).unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        path = self._path(private_runtime_dir(self._settings))
        path.parent.mkdir(exist_ok=True)
        draft = path.with_suffix(".part")
        draft.write_bytes(data)
        draft.replace(path)  # atomic: a check never reads a partial file

    @staticmethod
    def _path(runtime: Path) -> Path:
        # Named by the pid alone, so that a later process overwrites the file of a killed one.
        return runtime / LIVENESS_FOLDER / f"{os.getpid()}.json"


def remove_dead_files(settings: Settings) -> None:
    """Delete the files of worker parents that were killed on this machine."""
    with suppress(OSError, SetupError):
        for file in (runtime_dir(settings) / LIVENESS_FOLDER).glob("*.json"):
            with suppress(OSError, ValueError, *MISFITS):
                liveness = msgspec.json.decode(file.read_bytes(), type=Liveness)
                if _is_dead(liveness.worker):
                    file.unlink()


def read_all(settings: Settings) -> Iterator[Liveness]:
    """The liveness of the worker parents running here; files of dead ones are ignored."""
    for file in sorted((runtime_dir(settings) / LIVENESS_FOLDER).glob("*.json")):
        with suppress(OSError, ValueError, *MISFITS):
            liveness = msgspec.json.decode(file.read_bytes(), type=Liveness)
            if _is_running(liveness.worker):
                yield liveness


def _is_running(worker_id: str) -> bool:
    host, pid, start = worker_id.rsplit(":", 2)
    return host == socket.gethostname() and 0 != started(int(pid)) == int(start)


def _is_dead(worker_id: str) -> bool:
    """Whether it ran on this machine; of another one with the same folder that is unknown."""
    return worker_id.rsplit(":", 2)[0] == socket.gethostname() and not _is_running(worker_id)
