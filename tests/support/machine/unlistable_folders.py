"""Folders that cannot be listed, also by root."""

from __future__ import annotations

import os
import sys
from pathlib import Path

#: The limit of a path, including its terminating NUL (Linux).
PATH_MAX = 4096
_NAME = b"d" * 255
#: Drops CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, with which root may list every folder.
_OBEY = """
import ctypes, os, sys
for capability in (1, 2):
    if ctypes.CDLL(None).prctl(24, capability, 0, 0, 0):
        sys.exit("this capability cannot be given up")
os.execv(sys.argv[1], sys.argv[1:])
"""


def obeying(cwd: Path) -> list[str]:
    """The prefix of a command that makes permissions apply to it, also if root runs it."""
    return [sys.executable, "-Sc", _OBEY] if os.geteuid() == 0 else []


def too_deep(folder: Path) -> bytes:
    """Create nested folders, of which the last has too long a path to be listed, with an image in
    it; return its path."""
    path = bytes(folder)
    at = os.open(folder, os.O_RDONLY)
    while len(path) < PATH_MAX:
        os.mkdir(_NAME, dir_fd=at)
        below = os.open(_NAME, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at, path = below, path + b"/" + _NAME
    os.close(os.open("1.png", os.O_CREAT, dir_fd=at))
    os.close(at)
    return path
