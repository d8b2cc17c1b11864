"""A running `hangtag review`, used like a browser that has opened its link."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LINK = re.compile(r"http://(127\.0\.0\.1):(\d+)/\?token=(\S+?)#")


class Review:
    """The server of one table, and a browser's cookie for it."""

    def __init__(
        self,
        table: Path,
        program: Sequence[str] = ("producer.cli",),
        options: Sequence[str] = (),
        **environment: str,
    ) -> None:
        command = [sys.executable, "-m", *program, "review", str(table), *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | environment,
        )  # fmt: skip
        #: What it wrote to standard error, and after the link to standard output, at its end.
        self.errors = self.output = ""
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(2)]
        found = LINK.search(lines[1])
        assert found is not None, (lines, self.process.stderr and self.process.stderr.read())
        self.host, self.port, self.token = found[1], int(found[2]), found[3]
        status, headers, _ = self.ask("GET", f"/?token={self.token}", cookie="")
        assert status == 303
        self.cookie = headers["set-cookie"].partition(";")[0]
        self.id = self.json("GET", "/table")["review"]

    def ask(
        self, method: str, path: str, body: Any = None, *, cookie: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the reply. Header names are written with `_`."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["Cookie"] = self.cookie if cookie is None else cookie
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, sent)
            reply = connection.getresponse()
            return reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: Any = None) -> Any:
        status, _, found = self.ask(method, path, body)
        assert status == 200, found
        return json.loads(found)

    def of(self, path: str) -> str:
        """The address of rows, pictures or decisions of this review."""
        return f"{path}{'&' if '?' in path else '?'}review={self.id}"

    def rows(self, query: str) -> Any:
        return self.json("GET", self.of(f"/rows?{query}"))

    def decide(self, *decisions: tuple[int, str | None]) -> Any:
        return self.json("POST", self.of("/decisions"), {"decisions": decisions})

    def end(self, how: int = signal.SIGINT) -> int:
        """End it with a signal; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        if self.process.stderr is not None and not self.process.stderr.closed:
            self.output, self.errors = self.process.communicate(timeout=20)
        return self.process.returncode
