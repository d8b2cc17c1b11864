"""Processes of the worker's package that decode and compute for a producer, which does neither."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import IO, Any, cast

from shared import installation
from shared.errors import BadMessage, SetupError
from shared.messages.framing import READY, receive, send

#: What they need: a part of the extra `worker`.
PACKAGES = {"numpy": "numpy", "PIL": "pillow", "pi_heif": "pi-heif-decoder"}
#: The variables that they get: no password of the broker, and nothing else.
_NEEDED = (
    "PATH", "HOME", "KERAS_HOME", "MPLCONFIGDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME",
)  # fmt: skip


class Helper:
    """One process, started with its first order and again after it has ended. It gets orders
    through a pipe and sends replies of the type `reply` (shared/messages). One thread uses it; any
    may call `kill`. `purpose` begins the sentences that are raised.

    Raises SetupError if packages for it are not installed.
    """

    def __init__(
        self,
        module: str,
        reply: Any,
        purpose: str,
        *,
        most_bytes: int = 1 << 30,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        if lack := installation.missing(PACKAGES, "worker"):
            raise SetupError(f"{purpose}: {lack}")
        self._module, self._reply, self._purpose = module, reply, purpose
        self._most_bytes, self._variables = most_bytes, variables or {}
        self._running: subprocess.Popen[bytes] | None = None
        self._is_ready = False

    @property
    def is_running(self) -> bool:
        """Whether it knows earlier orders."""
        return self._running is not None

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, if it does not run."""
        if self._running is None:
            self._running, self._is_ready = _start(self._module, self._variables), False
        return self._running

    def ask(self, order: object, limit_s: float | None = None) -> Any:
        """The reply to an order. None: the process died, took too long or sent nonsense; it is
        ended then.

        Raises:
            SetupError: it ends before it is ready.
        """
        process = self.start()
        late = None if limit_s is None else threading.Timer(limit_s, process.kill)
        if late is not None:
            late.start()
        try:
            if not self._is_ready:
                self._is_ready = self._received(str) == READY
                if not self._is_ready:
                    raise self.ended()
            send(cast(IO[bytes], process.stdin), order)
            return self.receive()
        except OSError:
            self.close()
            return None
        finally:
            if late is not None:
                late.cancel()

    def receive(self) -> Any:
        """A further reply to the last order, or None, as `ask`."""
        return self._received(self._reply)

    def ended(self) -> SetupError:
        """What is reported of a process that ends again and again."""
        return SetupError(
            f"{self._purpose}: the process for it ends; this shows why: "
            f"{sys.executable} -m {self._module} </dev/null"
        )

    def kill(self) -> None:
        """Let `ask` return None at once, if it waits."""
        if (process := self._running) is not None:
            process.kill()

    def close(self) -> None:
        """End the process. What it was working on is lost."""
        process, self._running = self._running, None
        if process is not None:
            process.kill()
            process.communicate()

    def _received(self, kind: Any) -> Any:
        process = self.start()
        try:
            reply = receive(cast(IO[bytes], process.stdout), kind, self._most_bytes)
        except (OSError, BadMessage):
            reply = None
        if reply is None:
            self.close()
        return reply


def _start(module: str, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """With pipes for its input and output; its errors are discarded. Apart from the other starts of
    processes, which keep the environment: workers and detached producers need its secrets."""
    kept = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    # -P keeps modules of the current folder from being imported in place of Hangtag's.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=kept | {"PYTHONPATH": installation.python_path()} | dict(variables),
    )
