"""The log of this machine's stack, bounded while several processes append to it; in a JSON log the
lines of the embedded server, which writes text alone.

They share one inherited descriptor and cannot reopen the log, so the file itself is truncated:
with O_APPEND each process continues at the new end. The removed part is stored in one older file.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import threading
from pathlib import Path

from shared import logs

log = logging.getLogger("server")
#: `26307:M 29 Nov 2026 10:20:00.744 # a message`; a line before its log is set up has none of it.
_LINE = re.compile(r"\d+:\w \d\d \w{3} \d{4} [\d:.]+ ([.*#-]) (.*)")
_LEVELS = {".": logging.DEBUG, "-": logging.INFO, "*": logging.INFO, "#": logging.WARNING}
#: The wait for the last lines of a server that has ended. On a busy machine 5,000 take over 1 s.
_END_S = 5.0
#: A longer log is rotated.
MAX_BYTES = 1 << 20
OLDER = ".1"
_CHUNK_BYTES = 1 << 16


def bound(path: Path) -> None:
    """Rotate the log if it is too long. A line that is written within microseconds may be lost."""
    try:
        if path.stat().st_size <= MAX_BYTES:
            return
        with path.open("r+b") as file:
            file.seek(-MAX_BYTES, os.SEEK_END)
            part = path.with_name(path.name + ".part")
            with part.open("wb") as older:
                while chunk := file.read(_CHUNK_BYTES):  # also what is appended meanwhile
                    older.write(chunk)
                file.truncate(0)
            part.replace(path.with_name(path.name + OLDER))
    except OSError:
        return  # the disk is full, or the folder was removed: the next turn retries


class ServerLog:
    """Logs what a process writes to its pipe, one line after the other."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._thread = threading.Thread(target=self._read, name="server-log", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the last lines of a process that has ended."""
        self._thread.join(_END_S)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines, logs.about(process=self._process.pid):
            for line in lines:
                if text := line.decode(errors="replace").strip():
                    matched = _LINE.fullmatch(text)
                    sign, message = matched.groups() if matched else ("#", text)
                    log.log(_LEVELS[sign], "%s", message)
