"""Looks at named processes at a steady pace: memory, descriptors, and what the server holds."""

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


class Look(NamedTuple):
    """One process at one moment. Bytes; `pss` counts shared pages in part."""

    at: float
    rss: int
    pss: int
    descriptors: int


class Held(NamedTuple):
    """What the server holds at one moment."""

    at: float
    used_bytes: int
    keys: int


class Sampler(threading.Thread):
    """Use as a context manager. `who` answers name -> process ids at any moment."""

    def __init__(
        self, who: Callable[[], Mapping[str, Sequence[int]]], client: redis.Redis, every_s: float
    ) -> None:
        super().__init__(name="sampler", daemon=True)
        self._who, self._client, self._every_s = who, client, every_s
        self._ended = threading.Event()
        self.looks: dict[str, list[Look]] = {}  #: of the largest process of a name
        self.held: list[Held] = []

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
            for name, pids in self._who().items():
                found = [look for pid in pids if (look := _look(now, pid)) is not None]
                if found:
                    self.looks.setdefault(name, []).append(max(found, key=lambda one: one.pss))
            with suppress(redis.RedisError):
                used = int(self._client.info("memory")["used_memory"])
                self.held.append(Held(now, used, int(self._client.dbsize())))


class Ends(NamedTuple):
    """The medians of the first and of the last tenth."""

    first: float
    last: float

    @property
    def growth(self) -> float:
        """The last beside the first; 1 is flat."""
        return self.last / self.first if self.first else 1.0


def ends(values: Sequence[float]) -> Ends:
    """Of a series with at least one value."""
    share = max(1, len(values) // SHARE)
    return Ends(median(values[:share]), median(values[-share:]))


def _look(now: float, pid: int) -> Look | None:
    """None for a process that is gone."""
    try:
        smaps = Path(f"/proc/{pid}/smaps_rollup").read_text()
        pss = next(line for line in smaps.splitlines() if line.startswith("Pss:"))
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        return Look(now, resident_bytes(pid), int(pss.split()[1]) << 10, descriptors)
    except (OSError, StopIteration):
        return None
