"""A flood of errors of one kind is logged as some lines and then a count; no error is lost."""

from __future__ import annotations

import logging
import re
import time

import pytest

from shared.log_limit import LogLimit

LINES = 30  # a minute
FLOOD = 2_000


def test_a_flood_is_some_lines_and_a_count_of_all_others(caplog: pytest.LogCaptureFixture) -> None:
    limited = LogLimit(logging.getLogger("flood"), interval_s=0.2)
    for number in range(FLOOD):
        limited.error(f"junk {number}")
    time.sleep(0.25)
    limited.flush()
    limited.flush()
    lines = [record.getMessage() for record in caplog.records]
    counts = [int(found[1]) for line in lines if (found := re.match(r"(\d+) more", line))]
    alone = [line for line in lines if line.startswith("junk")]
    assert sum(counts) + len(alone) == FLOOD
    assert alone[:LINES] == [f"junk {number}" for number in range(LINES)]
    assert lines[-1].endswith(f"junk {FLOOD - 1}")
    assert len(lines) < FLOOD / 10


def test_after_an_interval_lines_are_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    limited = LogLimit(logging.getLogger("flood"), interval_s=0.1)
    for number in range(LINES):
        limited.error(f"first {number}")
    time.sleep(0.15)
    limited.error("first 0")
    assert caplog.messages == [*(f"first {number}" for number in range(LINES)), "first 0"]


def test_of_equal_lines_about_different_messages_none_is_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limited = LogLimit(logging.getLogger("flood"), interval_s=0.1, repeats=True)
    for _ in range(LINES + 1):
        limited.error("same")
    time.sleep(0.15)
    limited.flush()
    assert caplog.messages[:LINES] == ["same"] * LINES
    assert caplog.messages[LINES].startswith("1 more")


def test_a_line_that_repeats_is_logged_once_an_interval(caplog: pytest.LogCaptureFixture) -> None:
    limited = LogLimit(logging.getLogger("flood"), interval_s=0.1)
    for _ in range(LINES + 1):
        limited.error("same")
    limited.error("other")
    time.sleep(0.15)
    limited.error("same")
    assert caplog.messages == ["same", "other", "same"]
