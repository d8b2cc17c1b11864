"""A running `hangtag review`, used like a browser that has opened its link."""

from __future__ import annotations

import os
import re
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.processes.fleet import PRODUCT_PROGRAM, ROOT, Producer, wait_for
from tests.support.processes.page_client import PageClient

ENDS_WITHIN_S = 20.0
LINK = re.compile(r"http://(127\.0\.0\.1):(\d+)/\?token=(\S+?)#")


class Review(PageClient):
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
        link = wait_for("the link", self._link)
        super().__init__(link[1], int(link[2]), link[3])
        self.id = self.json("GET", "/table")["id"]

    def _link(self) -> re.Match[str] | None:
        found = LINK.search(self.process.out)
        assert found or self.process.running, self.process.story
        return found

    def of(self, path: str) -> str:
        """The address of rows, pictures or decisions of this review."""
        return f"{path}{'&' if '?' in path else '?'}id={self.id}"

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
