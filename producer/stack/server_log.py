"""The lines of the embedded server in a JSON log: it writes text alone."""

from __future__ import annotations

import logging
import re
import subprocess
import threading

from shared import logs

log = logging.getLogger("server")
#: `26307:M 29 Nov 2026 10:20:00.744 # a message`; a line before its log is set up has none of it.
_LINE = re.compile(r"\d+:\w \d\d \w{3} \d{4} [\d:.]+ ([.*#-]) (.*)")
_LEVELS = {".": logging.DEBUG, "-": logging.INFO, "*": logging.INFO, "#": logging.WARNING}
#: The wait for the last lines of a server that has ended. On a busy machine 5,000 take over 1 s.
_END_S = 5.0


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
