"""System calls of a process and its children, as strace has written them down.

What is started behind `command` is the product as it is. A call that changes something counts from
its start, one that answers counts from its end: so no order is claimed that was not there.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

_FILES = ("openat", "write", "pwrite64", "ftruncate", "mkdir", "mkdirat")
_NAMES = ("rename", "renameat", "renameat2", "unlink", "unlinkat")
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


class Call(NamedTuple):
    """One call that went well. `path` is the descriptor's: a file, or a socket by its name."""

    name: str
    path: str
    strings: tuple[bytes, ...]
    flags: str
    result: int

    @property
    def data(self) -> bytes:
        """What was written, sent or received."""
        return self.strings[0] if self.strings else b""


def command(trace: Path) -> list[str]:
    """What a command begins with that is to be traced into this file."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not on this machine")
    calls = ",".join((*_FILES, *_NAMES, *_SOCKETS, *_SYNCS))
    return ["strace", "-f", "--seccomp-bpf", "-yy", "-xx", "-s", str(_STRING_BYTES), "-e",
            f"trace={calls}", "-e", "signal=none", "-o", str(trace)]  # fmt: skip


def calls(trace: Path) -> list[Call]:
    """The calls that went well, in their order."""
    found: list[tuple[int, Call]] = []
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(trace.read_text().splitlines()):
        pid, text = line.split(maxsplit=1)
        if text.endswith(_UNFINISHED):
            begun[pid] = number, text.removesuffix(_UNFINISHED)
            continue
        start = number
        if resumed := _RESUMED.match(text):
            start, head = begun.pop(pid)
            text = head + resumed[1]
        if (call := _parse(text)) is not None:
            found.append((number if call.name in _AT_END else start, call))
    return [call for _, call in sorted(found, key=lambda one: one[0])]


def _parse(text: str) -> Call | None:
    """None for what is no call, or has failed."""
    called, result = _CALL.match(text), _RESULT.search(text)
    if called is None or result is None or int(result[1]) < 0:
        return None
    name, arguments = called[1], called[2]
    fd = _FD.match(arguments)
    strings = tuple(bytes.fromhex(s.replace("\\x", "")) for s in _STRING.findall(arguments))
    return Call(name, _unescaped(fd[1]) if fd else "", strings, arguments, int(result[1]))


def _unescaped(path: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), path)
