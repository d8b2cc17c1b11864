"""A running `hangtag review`, used like a browser that has opened its link."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.processes.fleet import PRODUCT_PROGRAM, ROOT, Producer, wait_for

ENDS_WITHIN_S = 20.0
LINK = re.compile(r"http://(127\.0\.0\.1):(\d+)/\?token=(\S+?)#")


class Review:
    """The server of one table, and a browser's cookie for it."""

    def __init__(
        self,
        table: Path,
        program: Sequence[str] = PRODUCT_PROGRAM,
        options: Sequence[str] = (),
        **environment: str,
    ) -> None:
        arguments = ("review", str(table), *options)
        env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        self._files = tempfile.TemporaryDirectory(prefix="ht-review-")
        self.process = Producer(arguments, Path.cwd(), env, Path(self._files.name, "0"), program)
        #: What it wrote to standard error, and after the link to standard output, at its end.
        self.errors = self.output = ""
        found = wait_for("the link", self._link)
        self.host, self.port, self.token = found[1], int(found[2]), found[3]
        status, headers, _ = self.ask("GET", f"/?token={self.token}", cookie="")
        assert status == 303
        self.cookie = headers["set-cookie"].partition(";")[0]
        self.id = self.json("GET", "/table")["review"]

    def _link(self) -> re.Match[str] | None:
        found = LINK.search(self.process.out)
        assert found or self.process.running, self.process.story
        return found

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

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """End it with a signal; returns its exit code."""
        if os.path.exists(self._files.name):
            self.process.signal(how)
            self._code = self.process.wait(ENDS_WITHIN_S)
            self.output = self.process.out.partition("#")[2].partition("\n")[2]
            self.errors = self.process.log
            self._files.cleanup()
        return self._code
