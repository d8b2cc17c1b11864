"""The folder of a worker's process, for its temporary files and all that libraries leave.

Its name has its owner. TensorFlow deletes its generated code at an exit that children of a pool do
not have, and a killed process deletes nothing. So the next process of this user deletes the folders
of dead owners.

The folder of a parent has its liveness, which health checks read. The heartbeat thread writes it in
each iteration, even if Redis is unreachable, so that a check needs neither Redis nor a password.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import util
from pathlib import Path

import msgspec

from shared import atomic_file
from shared.errors import MISFITS
from shared.logs import DAY_S, LogLimit
from shared.process import started

log = logging.getLogger(__name__)
TMPDIR = "TMPDIR"
#: After multiprocessing has deleted its own folder in it, which it does at -100.
_LAST = -101
_LIVENESS = "alive.json"
_faults = LogLimit(log, DAY_S)
_own_folder = ""  #: of this parent


def enter_own_folder() -> None:
    """Use an own folder until this process exits. Call it before a pool forks."""
    global _own_folder
    if _own_folder := _take_folder():
        # A child of a pool forgets this, so it must hold nothing that acts when it is collected.
        delete = {"ignore_errors": True}
        util.Finalize(None, shutil.rmtree, args=(_own_folder,), kwargs=delete, exitpriority=_LAST)


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
    name = f"{_folder_prefix()}{os.getpid()}-{started(os.getpid())}-"
    if os.path.basename(base).startswith(name):
        return base  # the watchdog has restarted this process
    remove_dead_folders(Path(base))
    try:
        folder = tempfile.mkdtemp(prefix=name)
    except OSError as error:  # a full disk: what needs files says so
        log.warning("temporary files lie in %s: %s", base, error)
        return ""
    os.environ[TMPDIR] = tempfile.tempdir = folder
    return folder


def remove_dead_folders(base: Path) -> None:
    """Delete the folders of dead processes of this host and user."""
    for folder, _, is_alive in _folders(base):
        if not is_alive:
            shutil.rmtree(folder, ignore_errors=True)


def _folders(base: Path) -> Iterator[tuple[Path, int, bool]]:
    """The folders of processes of this host and user, with the pid, and whether it is alive."""
    prefix = _folder_prefix()
    for path in base.glob(f"{prefix}*"):
        with suppress(OSError, ValueError):
            pid, start, _ = path.name.removeprefix(prefix).split("-", 2)
            if path.lstat().st_uid == os.getuid():
                yield path, int(pid), started(int(pid)) == int(start)


def _folder_prefix() -> str:
    return f"hangtag-tmp-{socket.gethostname()}-"


class Liveness(msgspec.Struct, frozen=True):
    """The liveness of a worker parent. Times are the machine's monotonic clock, in seconds."""

    turned_s: float  #: last iteration of its heartbeat thread
    beaten_s: float | None = None  #: when Redis last accepted its heartbeat


def write_liveness(liveness: Liveness) -> None:
    """Write that of this process. A file that cannot be written does not stop the worker."""
    if _own_folder:
        try:
            atomic_file.replace_volatile(
                Path(_own_folder, _LIVENESS), msgspec.json.encode(liveness)
            )
        except OSError as error:
            _faults.error(f"health checks will not see this worker: {error}")


def read_all() -> Iterator[tuple[int, Liveness]]:
    """The worker parents that run here, by pid."""
    for folder, pid, is_alive in _folders(Path(tempfile.gettempdir())):
        with suppress(OSError, *MISFITS):
            if is_alive:
                yield pid, msgspec.json.decode((folder / _LIVENESS).read_bytes(), type=Liveness)
