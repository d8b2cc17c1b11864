"""A real Flower and its HTTP API."""

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
_PORTS_TRIED = 5


class Flower(Process):
    """`celery -A shared.broker.monitor flower` at a free port; ready when created."""

    def __init__(self, files: Path, settings: Mapping[str, str]) -> None:
        for turn in range(_PORTS_TRIED):
            self._start(files.with_name(f"{files.name}-{turn}"), settings)
            try:
                wait_for("Flower's page", self._is_ready)
                return
            except BaseException:
                taken = "Address already in use" in self.log and not self.running
                self.kill()
                if not taken or turn == _PORTS_TRIED - 1:
                    raise

    def _start(self, files: Path, settings: Mapping[str, str]) -> None:
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
        """The decoded JSON of a GET request to its API."""
        return msgspec.json.decode(self._open(path))

    def post(self, path: str) -> tuple[int, str]:
        """The status and text of a POST request to its API."""
        try:
            return 200, self._open(path, b"").decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")

    def end(self) -> None:
        """End it gracefully."""
        self.signal(signal.SIGTERM)
        self.wait()

    def _open(self, path: str, data: bytes | None = None) -> bytes:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self._port}{path}", data, timeout=TIMEOUT_S
        ) as response:
            body: bytes = response.read()
        return body

    def _is_ready(self) -> bool:
        assert self.running, self.story
        try:
            self._open("/api/workers")
        except OSError:
            return False
        return True
