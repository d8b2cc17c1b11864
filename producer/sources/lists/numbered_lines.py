"""The lines of a list by their numbers, in little memory: the place of each thousandth is known."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import IO

_BLOCK_BYTES = 1 << 16
#: Lines between two places that are known, and lines that are kept.
STEP_LINES = 1024


class NumberedLines:
    """For several threads. `opened` opens the list, whose names end with `separator`."""

    def __init__(self, opened: Callable[[], IO[bytes]], separator: bytes) -> None:
        self._opened, self._separator = opened, separator
        self._places = [0]
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._lines: Iterator[bytes] = iter(())
        self._next: int | None = None  #: the number of the line that follows; None: not open
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    def line(self, number: int) -> bytes | None:
        """A line without its end; None if there is none. Raises OSError."""
        with self._lock:
            if number not in self._kept:
                self._read_to(number)
            return self._kept.get(number)

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file, self._next = None, None
            self._kept.clear()

    def _read_to(self, number: int) -> None:
        if self._next is None or not self._next <= number < self._next + STEP_LINES:
            self._seek(min(number // STEP_LINES, len(self._places) - 1))
        assert self._next is not None
        for line in islice(self._lines, number + 1 - self._next):
            self._kept[self._next] = line
            if len(self._kept) > STEP_LINES:
                self._kept.popitem(last=False)
            self._next += 1

    def _seek(self, step: int) -> None:
        if self._file is None:
            self._file = self._opened()
        self._file.seek(self._places[step])
        self._next = step * STEP_LINES
        self._lines = self._split(self._file, self._next, self._places[step])

    def _split(self, file: IO[bytes], number: int, place: int) -> Iterator[bytes]:
        rest = b""
        while block := file.read(_BLOCK_BYTES):
            *lines, rest = (rest + block).split(self._separator)
            for line in lines:
                number, place = number + 1, place + len(line) + 1
                if number == len(self._places) * STEP_LINES:
                    self._places.append(place)
                yield self._stripped(line)
        if rest:
            yield self._stripped(rest)

    def _stripped(self, line: bytes) -> bytes:
        return line.rstrip(b"\r") if self._separator == b"\n" else line
