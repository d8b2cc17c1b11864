"""A folder for the temporary files of one process and its children, with all that libraries leave.

TensorFlow deletes its generated code at an exit that children of a pool do not have, and a killed
process deletes nothing. So each process has its own folder, which names its owner, and the next
process of this user deletes those of dead owners.
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

from shared.process import started

log = logging.getLogger(__name__)
VARIABLE = "TMPDIR"
#: After multiprocessing has deleted its own folder in it, which it does at -100.
_LAST = -101


def enter() -> None:
    """Use an own folder until this process exits. Call it before a pool forks."""
    if folder := _take():
        # A child of a pool forgets this, so it must hold nothing that acts when it is collected.
        delete = {"ignore_errors": True}
        util.Finalize(None, shutil.rmtree, args=(folder,), kwargs=delete, exitpriority=_LAST)


@contextmanager
def own() -> Iterator[None]:
    """Use an own folder in the block, below that of the parent if it has one."""
    before, base = os.environ.get(VARIABLE), tempfile.gettempdir()
    folder = _take()
    try:
        yield
    finally:
        if folder:
            tempfile.tempdir = base
            os.environ.pop(VARIABLE)
            if before is not None:
                os.environ[VARIABLE] = before
            shutil.rmtree(folder, ignore_errors=True)


def _take() -> str:
    """Make a folder and use it from now on; empty if there is no room for one."""
    base = tempfile.gettempdir()
    remove_dead(Path(base))
    try:
        folder = tempfile.mkdtemp(prefix=f"{_prefix()}{os.getpid()}-{started(os.getpid())}-")
    except OSError as error:  # a full disk: what needs files says so
        log.warning("temporary files lie in %s: %s", base, error)
        return ""
    os.environ[VARIABLE] = tempfile.tempdir = folder
    return folder


def remove_dead(base: Path) -> None:
    """Delete the folders of dead processes of this host and user."""
    prefix = _prefix()
    for path in base.glob(f"{prefix}*"):
        with suppress(OSError, ValueError):
            pid, start, _ = path.name.removeprefix(prefix).split("-", 2)
            if path.lstat().st_uid == os.getuid() and started(int(pid)) != int(start):
                shutil.rmtree(path, ignore_errors=True)


def _prefix() -> str:
    return f"hangtag-tmp-{socket.gethostname()}-"
