"""System calls of a process and its children, recorded by strace.

The traced program is the unmodified product. A call that changes something is ordered by its start,
a call that returns data by its end, so the order is one that really happened.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

_FILES = ("openat", "write", "pwrite64", "ftruncate", "mkdir", "mkdirat")
_NAMES = ("rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat")
_SOCKETS = ("sendto", "recvfrom")
_SYNCS = ("fsync", "fdatasync")
_AT_END = (*_SYNCS, "recvfrom", "openat")
#: Longer than any call of a small job: a page of a database, a read of a socket.
_STRING_BYTES = 1 << 17
_UNFINISHED = " <unfinished ...>"
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_CALL = re.compile(r"(\w+)\((.*)")
_RESULT = re.compile(r"\) += (-?\d+)(?:<.*>)?(?: .*)?$")
_FD = re.compile(r"\d+<(.*?)>[,)]")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
#: A name, and the folder that it is relative to.
_NAME_AT = re.compile(r'(?:AT_FDCWD|\d+)<([^>]*)>, "((?:\\x[0-9a-f]{2})*)"')


class Call(NamedTuple):
    """One successful call. `path` is that of the descriptor: a file, or the name of a socket. A
    name that is relative to an open folder is among `strings` as its path."""

    name: str
    path: str
    strings: tuple[bytes, ...]
    flags: str
    result: int

    @property
    def data(self) -> bytes:
        """The bytes that were written, sent or received."""
        return self.strings[0] if self.strings else b""


def command(trace: Path) -> list[str]:
    """The prefix of a command that traces it into this file."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not on this machine")
    calls = ",".join((*_FILES, *_NAMES, *_SOCKETS, *_SYNCS))
    return ["strace", "-f", "--seccomp-bpf", "-yy", "-xx", "-s", str(_STRING_BYTES), "-e",
            f"trace={calls}", "-e", "signal=none", "-o", str(trace)]  # fmt: skip


def calls(trace: Path) -> list[Call]:
    """The successful calls in order."""
    found: list[tuple[int, Call]] = []
    unfinished: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(trace.read_text().splitlines()):
        pid, text = line.split(maxsplit=1)
        if text.endswith(_UNFINISHED):
            unfinished[pid] = number, text.removesuffix(_UNFINISHED)
            continue
        start = number
        if resumed := _RESUMED.match(text):
            start, head = unfinished.pop(pid)
            text = head + resumed[1]
        if (call := _parse(text)) is not None:
            found.append((number if call.name in _AT_END else start, call))
    return [call for _, call in sorted(found, key=lambda one: one[0])]


def _parse(text: str) -> Call | None:
    """The call in a line; None for other lines and failed calls."""
    called, result = _CALL.match(text), _RESULT.search(text)
    if called is None or result is None or int(result[1]) < 0:
        return None
    name, arguments = called[1], called[2]
    fd = _FD.match(arguments)
    if name.rstrip("2").endswith("at"):
        strings = tuple(
            os.path.join(_decoded(at), _decoded(string))
            for at, string in _NAME_AT.findall(arguments)
        )
    else:
        strings = tuple(_decoded(string) for string in _STRING.findall(arguments))
    return Call(name, _unescaped(fd[1]) if fd else "", strings, arguments, int(result[1]))


def _decoded(text: str) -> bytes:
    """The bytes that strace has printed in hexadecimal; `/`, as in a folder's path, it may not."""
    return _unescaped(text).encode("latin-1")


def _unescaped(path: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), path)
