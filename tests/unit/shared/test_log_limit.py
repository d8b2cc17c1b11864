"""A flood of errors of one kind is logged as some lines and then a count; no error is lost."""

from __future__ import annotations

import logging
import re
import time

import pytest

from shared.logs import LogLimit

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
