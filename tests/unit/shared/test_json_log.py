"""A line of a log in JSON: its fields, the ids of what it is about, and any text."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shared import logs
from shared.settings import Settings

log = logging.getLogger("part.of.hangtag")


@contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """The lines of the block; the root logger is as before afterwards."""
    root, found = logging.getLogger(), list[dict[str, Any]]()
    handlers, level = root.handlers[:], root.level
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        root.handlers[:] = []  # pytest's cannot report what is not UTF-8
        logs.log_to_stderr(Settings(log_json="1"), "%(message)s")
        try:
            yield found
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
    found += map(json.loads, stream.getvalue().splitlines())


def test_a_traceback_and_text_that_is_not_utf_8_are_in_one_line() -> None:
    with logged() as lines:
        try:
            raise ValueError("two\nlines")
        except ValueError:
            log.exception("file \udcff")
    (line,) = lines
    assert line["message"] == "file \\udcff"
    assert line["exception"].startswith("Traceback")
    assert "two\nlines" in line["exception"]
