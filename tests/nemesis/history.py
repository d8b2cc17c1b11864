"""The history: one line per event, in a file and in memory, with the time since the start."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import IO


class History:
    """The history of one round. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []
        self._started = time.monotonic()
        self._file: IO[str] | None = None

    def __enter__(self) -> History:
        self._file = self.path.open("w", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def now_s(self) -> float:
        """Seconds since the start of the round, by the monotonic clock."""
        return time.monotonic() - self._started

    def note(self, what: str) -> None:
        """Record an event, flushed at once: the process may be killed before the next one."""
        line = f"{self.now_s:9.3f} {what}"
        self.lines.append(line)
        if self._file is not None:
            print(line, file=self._file, flush=True)
