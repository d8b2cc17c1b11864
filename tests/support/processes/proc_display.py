"""The command line and the environment of a process in /proc: those with which it was started, in
its memory. They are replaced by shorter ones."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

#: A process whose copies have a command line and an environment of their own starts with this in
#: both.
ROOM = "x" * (1 << 14)


def replace(words: Sequence[str], environment: Mapping[bytes, bytes]) -> None:
    """Have /proc display this command line and environment of this process."""
    sys.orig_argv[:] = words
    variables = [b"=".join(pair) for pair in environment.items()]
    stat = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    first, last, first_variable, last_variable = map(int, stat[45:49])
    _overwrite(first, last, list(map(os.fsencode, words)))
    _overwrite(first_variable, last_variable, variables)


def _overwrite(begin: int, end: int, words: Sequence[bytes]) -> None:
    """Write words into this process's memory, and zeros up to the end."""
    content = b"".join(word + b"\0" for word in words)
    if len(content) >= end - begin:
        raise ValueError(f"{len(content)} bytes have no room in {end - begin}")
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, content, len(content))
