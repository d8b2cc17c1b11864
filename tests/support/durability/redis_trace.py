"""The commands that a traced process sends to Redis and the results it reads, by system call."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.support.durability.syscall_trace import Call

_RESULT = re.compile(
    rb"\$\d+\r\n(\d+-\d+)\r\n\*4\r\n\$1\r\nb\r\n\$\d+\r\n\d+\r\n\$1\r\nr\r\n\$(\d+)\r\n"
)


def commands(calls: Sequence[Call]) -> dict[int, list[list[bytes]]]:
    """Number of the system call that sent the first byte of a command -> the commands."""
    found: dict[int, list[list[bytes]]] = defaultdict(list)
    for stream, starts, numbers in _streams(calls, "sendto"):
        for at, command in _parse(stream):
            found[numbers[bisect_right(starts, at) - 1]].append(command)
    return found


def results(calls: Sequence[Call]) -> dict[bytes, bytes]:
    """Entry of a job's stream -> the result in it, for all entries that were read."""
    found = {}
    for stream, _, _ in _streams(calls, "recvfrom"):
        for match in _RESULT.finditer(stream):
            found[match[1]] = stream[match.end() : match.end() + int(match[2])]
    return found


def _streams(calls: Sequence[Call], name: str) -> Iterator[tuple[bytes, list[int], list[int]]]:
    """For each socket: its bytes, the offset of each call's bytes, and the number of that call."""
    streams: dict[str, bytearray] = defaultdict(bytearray)
    starts: dict[str, list[int]] = defaultdict(list)
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, call in enumerate(calls):
        if call.name == name and call.result > 0:
            starts[call.path].append(len(streams[call.path]))
            numbers[call.path].append(number)
            streams[call.path] += call.data[: call.result]
    for path, stream in streams.items():
        yield bytes(stream), starts[path], numbers[path]


def _parse(stream: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """The offset of each command, and its words."""
    at = 0
    while at < len(stream):
        start, words = at, []
        count, at = _number(stream, at, b"*")
        for _ in range(count):
            size, at = _number(stream, at, b"$")
            words.append(stream[at : at + size])
            at += size + 2
        yield start, words


def _number(stream: bytes, at: int, tag: bytes) -> tuple[int, int]:
    """A number, and the offset of its end."""
    assert stream[at : at + 1] == tag, stream[at : at + 40]
    end = stream.index(b"\r\n", at)
    return int(stream[at + 1 : end]), end + 2
