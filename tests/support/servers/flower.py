"""A real Flower, and what its HTTP API says."""

from __future__ import annotations

import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from tests.support.processes.fleet import ROOT, Process, wait_for
from tests.support.servers.secured_servers import free_port

TIMEOUT_S = 30.0


class Flower(Process):
    """`celery -A shared.broker.monitor flower` at a port of this machine's own; it answers when
    made."""

    def __init__(self, files: Path, settings: Mapping[str, str]) -> None:
        self._port = free_port()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HANGTAG_")}
        env = {**inherited, **settings, "PYTHONPATH": str(ROOT), "FLOWER_UNAUTHENTICATED_API": "1"}
        options = (f"--port={self._port}", "--address=127.0.0.1")
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "shared.broker.monitor",
            "flower",
            *options,
        ]
        super().__init__(command, Path("/"), env, files)
        try:
            wait_for("Flower's page", self._answers)
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Flower:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        print(self.story)
        self.kill()

    def get(self, path: str) -> Any:
        """What its API answers."""
        return msgspec.json.decode(self._open(path))

    def post(self, path: str) -> tuple[int, str]:
        """What it answers to an order: the status, and its text."""
        try:
            return 200, self._open(path, b"").decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")

    def end(self) -> None:
        """End it in good order."""
        self.signal(signal.SIGTERM)
        self.wait()

    def _open(self, path: str, data: bytes | None = None) -> bytes:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self._port}{path}", data, timeout=TIMEOUT_S
        ) as answer:
            found: bytes = answer.read()
        return found

    def _answers(self) -> bool:
        assert self.running, self.story
        try:
            self._open("/api/workers")
        except OSError:
            return False
        return True
