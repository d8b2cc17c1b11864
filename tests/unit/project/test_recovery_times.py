"""The bounds of the fault tests for a recovery follow the documented times."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

from tests.support.jobs.recovery_times import EVERY, Seen
from tests.support.processes.fleet import ROOT, wait_for
from tests.support.processes.stopwatch import Stopwatch

ROWS = {
    int(found[1]): found[2]
    for found in re.finditer(r"^\| (\d+) \|(.*)$", (ROOT / "docs/reliability.md").read_text(), re.M)
}


@pytest.mark.parametrize("name", EVERY)
def test_a_bound_belongs_to_a_time_in_its_row_of_the_page(name: str) -> None:
    seen = EVERY[name]
    assert re.search(rf"(?<![\d.]){seen.seconds}(?![\d.])", ROWS[seen.row]), ROWS[seen.row]


def test_a_recovery_that_takes_much_longer_fails() -> None:
    seen = Seen(1, 2.0)
    seen.check(6.0)
    with pytest.raises(AssertionError):
        seen.check(6.1)


def test_a_stopwatch_counts_a_sleep_and_no_wait_for_a_processor() -> None:
    """Here two processes for each processor are busy, so that each waits for half of the time."""
    busy = [sys.executable, "-S", "-c", "while True: pass"]
    processes = [subprocess.Popen(busy) for _ in range(2 * len(os.sched_getaffinity(0)))]
    try:
        watch = Stopwatch()
        time.sleep(0.3)
        assert watch.seconds == 0.0
    finally:
        for process in processes:
            process.kill()
            process.wait()
    wait_for("a sleep beside which nothing waits for a processor", lambda: slept_s() > 0.2)


def slept_s() -> float:
    """What a sleep of 0.3 s counts: other tests of this process may wait for a processor."""
    watch = Stopwatch()
    subprocess.run(["sleep", "0.3"], check=True)
    return watch.seconds
