"""Samples named processes at regular intervals: memory, descriptors, and the server's content."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import NamedTuple

import redis

from shared.process import resident_bytes

SHARE = 10  #: the first and the last tenth are compared


class ProcessSample(NamedTuple):
    """One process at one moment. Bytes; `pss` counts shared pages proportionally."""

    at: float
    rss: int
    pss: int
    descriptors: int


class ServerSample(NamedTuple):
    """The server's content at one moment."""

    at: float
    used_bytes: int
    keys: int


class Sampler(threading.Thread):
    """Use as a context manager. `pids` returns the current process ids by name."""

    def __init__(
        self, pids: Callable[[], Mapping[str, Sequence[int]]], client: redis.Redis, every_s: float
    ) -> None:
        super().__init__(name="sampler", daemon=True)
        self._pids, self._client, self._every_s = pids, client, every_s
        self._ended = threading.Event()
        self.processes: dict[str, list[ProcessSample]] = {}  #: of the largest process of a name
        self.server: list[ServerSample] = []

    def __enter__(self) -> Sampler:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        while not self._ended.wait(self._every_s):
            now = time.monotonic()
            for name, pids in self._pids().items():
                found = [one for pid in pids if (one := _sample(now, pid)) is not None]
                if found:
                    self.processes.setdefault(name, []).append(max(found, key=lambda one: one.pss))
            with suppress(redis.RedisError):
                used = int(self._client.info("memory")["used_memory"])
                self.server.append(ServerSample(now, used, int(self._client.dbsize())))


class Ends(NamedTuple):
    """The medians of the first and of the last tenth."""

    first: float
    last: float


def ends(values: Sequence[float]) -> Ends:
    """The ends of a series with at least one value."""
    share = max(1, len(values) // SHARE)
    return Ends(median(values[:share]), median(values[-share:]))


def _sample(now: float, pid: int) -> ProcessSample | None:
    """None for a process that has ended."""
    try:
        smaps = Path(f"/proc/{pid}/smaps_rollup").read_text()
        pss = next(line for line in smaps.splitlines() if line.startswith("Pss:"))
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        return ProcessSample(now, resident_bytes(pid), int(pss.split()[1]) << 10, descriptors)
    except (OSError, StopIteration):
        return None
