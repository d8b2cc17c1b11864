"""The temporary folder of a job without an output.

It goes with the result. Of a job that was interrupted it stays for the same call, which resumes it,
and goes at the end of the process. A process that is killed leaves it (docs/python.md).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path

from producer.jobs import forget
from shared.errors import HangtagError
from shared.settings import Settings

PREFIX = "hangtag-job-"


class Scratch:
    """A temporary folder with the table of one job."""

    def __init__(self, name: str, settings: Settings) -> None:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.table = folder / name
        self._remove = weakref.finalize(self, _removed, self.table, settings, os.getpid())

    @property
    def is_there(self) -> bool:
        return self._remove.alive

    def remove(self) -> None:
        """Remove the folder and all traces of its job."""
        self._remove()


class Interrupted:
    """The folders of interrupted jobs of this process, by what they classify."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: dict[Hashable, Scratch] = {}

    def taken(self, key: Hashable) -> Scratch | None:
        """The folder of the same job, unless its result was closed; from now on it is the
        caller's."""
        with self._lock:
            folder = self._folders.pop(key, None)
        return folder if folder is not None and folder.is_there else None

    def keep(self, key: Hashable, folder: Scratch) -> None:
        with self._lock:
            self._folders[key] = folder


INTERRUPTED = Interrupted()


def _removed(table: Path, settings: Settings, process: int) -> None:
    if os.getpid() != process:
        return  # a copy of the process has ended
    with suppress(HangtagError, OSError):
        forget.forget(forget.find(str(table)), settings)
    shutil.rmtree(table.parent, ignore_errors=True)
