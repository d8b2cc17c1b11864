"""The log of a stack is bounded while several processes append to it."""

from __future__ import annotations

import select
import subprocess
import sys
from pathlib import Path

from producer.machine import stack_log

WRITERS, LINES = 3, 30_000
#: Of each writer between two looks at the log: 70 kB. Slow looks do not let the log grow.
AT_ONCE = 1_000
WRITE = """
import os, sys
for number in range(int(sys.argv[2])):
    if number % int(sys.argv[3]) == 0:
        os.read(0, 1)
    os.write(1, f"{sys.argv[1]} {number:06} {'x' * 60}\\n".encode())
    if (number + 1) % int(sys.argv[3]) == 0:
        os.write(2, b".")
"""


def test_it_is_bounded_while_several_processes_write_to_it(tmp_path: Path) -> None:
    path = tmp_path / "stack.log"
    longest, cuts = 0, 0
    with path.open("ab") as log:
        command = [sys.executable, "-Sc", WRITE]
        writers = [
            subprocess.Popen(
                [*command, str(number), str(LINES), str(AT_ONCE)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
            for number in range(WRITERS)
        ]
        for _ in range(LINES // AT_ONCE):
            waiting = set(writers)
            for writer in writers:
                assert writer.stdin is not None
                writer.stdin.write(b"g")
            while waiting:
                waiting -= {writer for writer in waiting if _has_written(writer)}
                before = path.stat().st_size
                longest = max(longest, before)
                stack_log.bound(path)
                cuts += path.stat().st_size < before
        for writer in writers:
            writer.communicate()
    older = tmp_path / "stack.log.1"
    total = WRITERS * LINES * len(f"0 {0:06} {'x' * 60}\n")
    assert cuts >= 2
    assert longest < 2 << 20 < total
    assert older.stat().st_size < 2 << 20
    data = path.read_bytes()
    assert b"\0" not in data
    lines = data.decode().splitlines()
    assert {line[8:] for line in lines[1:]} <= {f" {'x' * 60}"}
    for one in range(WRITERS):
        numbers = [int(line.split()[1]) for line in lines[1:] if line.startswith(f"{one} ")]
        assert numbers == list(range(LINES))[LINES - len(numbers) :], "lines of a writer are lost"


def _has_written(writer: subprocess.Popen[bytes]) -> bool:
    """Whether it has written the lines of this round."""
    assert writer.stderr is not None
    ready, _, _ = select.select([writer.stderr], [], [], 0)
    return bool(ready) and writer.stderr.read(1) == b"."
