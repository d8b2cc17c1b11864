"""A worker parent's sign of life for its own machine: a small file that health checks read.

Its pulse writes it at each turn, whether Redis answers or not, so that a check needs neither Redis
nor a password, and costs next to nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from shared.broker.location import private_runtime_dir, runtime_dir
from shared.errors import MISFITS, SetupError
from shared.process import started
from shared.settings import Settings

log = logging.getLogger(__name__)
FOLDER = "alive"


class Liveness(msgspec.Struct, frozen=True):
    """What one worker parent says. Times are the machine's monotonic clock, in seconds."""

    worker: str  #: host:pid:started
    turned_s: float  #: when its pulse turned last
    beaten_s: float | None = None  #: when Redis last took its heartbeat


class LivenessFile:
    """The file of one worker parent. Whatever goes wrong with it, the worker goes on."""

    def __init__(self, settings: Settings, worker_id: str) -> None:
        self._settings, self._worker_id = settings, worker_id
        self._beaten_s: float | None = None
        self._said = False

    def turned(self, beaten: bool) -> None:
        """The pulse has turned; `beaten` says that Redis has just taken a heartbeat."""
        now = time.monotonic()
        self._beaten_s = now if beaten else self._beaten_s
        try:
            self._write(msgspec.json.encode(Liveness(self._worker_id, now, self._beaten_s)))
        except (OSError, SetupError) as error:
            if not self._said:
                log.warning("health checks will not see this worker: %s", error)
            self._said = True

    def withdraw(self) -> None:
        """The worker ends."""
        with suppress(OSError):
            self._path(runtime_dir(self._settings)).unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        path = self._path(private_runtime_dir(self._settings))
        path.parent.mkdir(exist_ok=True)
        draft = path.with_suffix(".part")
        draft.write_bytes(data)
        draft.replace(path)  # a check never reads half of it

    @staticmethod
    def _path(runtime: Path) -> Path:
        # By the process alone, so that what a killed one leaves is soon written over.
        return runtime / FOLDER / f"{os.getpid()}.json"


def read_all(settings: Settings) -> Iterator[Liveness]:
    """Those of the worker parents that run here; what dead ones left behind says nothing."""
    for file in sorted((runtime_dir(settings) / FOLDER).glob("*.json")):
        with suppress(OSError, ValueError, *MISFITS):
            sign = msgspec.json.decode(file.read_bytes(), type=Liveness)
            if _runs(sign.worker):
                yield sign


def _runs(worker_id: str) -> bool:
    host, pid, start = worker_id.rsplit(":", 2)
    return host == socket.gethostname() and 0 != started(int(pid)) == int(start)
