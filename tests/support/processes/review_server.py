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


def decision(of: tuple[int, str | None]) -> dict[str, Any]:
    """A decision about a row as the page sends it; None: there is none any more."""
    item, label = of
    return {"item": item} if label is None else {"item": item, "kind": "label", "label": label}


def label_of(decided: dict[str, str] | None) -> str | None:
    return None if decided is None else decided["label"]


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
        self.id = self.json("GET", "/facts")["id"]

    def _link(self) -> re.Match[str] | None:
        found = LINK.search(self.process.out)
        assert found or self.process.running, self.process.story
        return found

    def of(self, path: str) -> str:
        """The address of rows, pictures or decisions of this review."""
        return f"{path}{'&' if '?' in path else '?'}id={self.id}"

    @property
    def decided(self) -> int:
        """The number of rows with a decision, as the heading says."""
        heading = self.json("GET", "/facts")["heading"]
        return 0 if heading.startswith("Nothing decided") else int(heading.partition(" ")[0])

    def rows(self, query: str) -> Any:
        """A page, with the label that was decided for each row, or None."""
        page = self.json("GET", self.of(f"/items?{query}"))
        for row in page["items"]:
            row["decided"] = label_of(row["decided"])
        return page

    def decide(self, *decisions: tuple[int, str | None]) -> Any:
        """The reply to decisions, with the labels that have changed."""
        reply = self.json(
            "POST", self.of("/decisions"), {"decisions": list(map(decision, decisions))}
        )
        reply["changed"] = {int(at): label_of(now) for at, now in reply["changed"].items()}
        return reply

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """End it with a signal; returns its exit code."""
        if os.path.exists(self._files.name):
            self.process.signal(how)
            self._code = self.process.wait(ENDS_WITHIN_S)
            self.output = self.process.out.partition("#")[2].partition("\n")[2]
            self.errors = self.process.log
            self._files.cleanup()
        return self._code
