"""A line of a log in JSON: its fields, the ids of what it is about, and any text."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from shared import json_log
from shared.errors import SetupError
from shared.settings import Settings

log = logging.getLogger("part.of.hangtag")


@contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """The lines of the block; the root logger is as before afterwards."""
    root, found = logging.getLogger(), list[dict[str, Any]]()
    handlers, level = root.handlers[:], root.level
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        root.handlers[:] = []  # pytest's cannot report what is not UTF-8
        json_log.configure(Settings(log_json="1"), "%(message)s")
        try:
            yield found
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
    found += map(json.loads, stream.getvalue().splitlines())


def test_a_line_has_the_ids_of_the_innermost_work() -> None:
    with logged() as lines:
        with json_log.about(request="r1"), json_log.about(job="j1", batch=3):
            log.warning("%d of %d", 1, 2)
        log.info("nothing")
    first, second = lines
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "WARNING", "logger": "part.of.hangtag", "message": "1 of 2",
        "request": "r1", "job": "j1", "batch": 3,
    }  # fmt: skip
    assert list(second) == ["time", "level", "logger", "message"]


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


def test_another_value_of_the_setting_is_refused() -> None:
    with pytest.raises(SetupError, match="HANGTAG_LOG_JSON is 1 or 0"):
        _ = Settings(log_json="yes").has_json_logs
