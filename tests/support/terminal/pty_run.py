"""Runs a program in a real terminal (a pty) and keeps what it writes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROWS = 40
_READ_BYTES = 1 << 16


class TerminalRun(NamedTuple):
    """What a program wrote, with its codes, and its exit code."""

    text: str
    code: int


def run(
    command: Sequence[str],
    *,
    columns: int,
    env: Mapping[str, str],
    cwd: Path,
    limit_s: float = 300.0,
    on_output: Callable[[int, str], None] = lambda terminal, text: None,
) -> TerminalRun:
    """Run `command` to its end. `on_output` may write to the terminal, as a person types.

    Raises:
        TimeoutError: it did not end in `limit_s`; it was killed.
    """
    child, terminal = pty.fork()
    if child == 0:
        try:
            os.chdir(cwd)
            os.execvpe(command[0], list(command), dict(env))
        finally:
            os._exit(127)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    started, written, rest = time.monotonic(), "", b""
    try:
        while True:
            if time.monotonic() - started > limit_s:
                os.kill(child, 9)
                raise TimeoutError(f"{' '.join(command)} runs for more than {limit_s} s")
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(terminal, _READ_BYTES)
            except OSError:  # the program has closed its terminal
                break
            if not data:
                break
            text, rest = _decoded(rest + data)
            if text:
                written += text
                on_output(terminal, text)
    finally:
        os.close(terminal)
        _, status = os.waitpid(child, 0)
    return TerminalRun(written, os.waitstatus_to_exitcode(status))


def _decoded(data: bytes) -> tuple[str, bytes]:
    """The text so far, and the first bytes of a character whose others have not arrived."""
    for missing in range(4):
        end = len(data) - missing
        try:
            return data[:end].decode(), data[end:]
        except UnicodeDecodeError:
            continue
    raise ValueError("the program's output is not UTF-8")
