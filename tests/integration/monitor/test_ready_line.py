"""A worker logs one line once it takes work, for those who wait at its terminal or read its log."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import procfs
from tests.support.processes.fleet import SHORT_TIMES, Fleet, wait_for
from tests.support.servers.redis_server import RedisServer


@pytest.fixture
def fleet(server: RedisServer) -> Iterator[Fleet]:
    with Fleet(server, **SHORT_TIMES) as made:
        yield made


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (
            ("worker", "--concurrency", "1"),
            r"1 process serves the queue classify of (\S+); Ctrl-C or SIGTERM stops it after "
            "the batches in progress",
        ),
        (
            ("worker", "--queue", "train"),
            r"[12] process\w* serves? the queue train of (\S+); Ctrl-C or SIGTERM stops it, "
            "and a training in progress waits for the next trainer",
        ),
    ],
)
def test_a_worker_in_the_foreground_reports_once_that_it_takes_work(
    fleet: Fleet, tmp_path: Path, command: tuple[str, ...], line: str
) -> None:
    worker = fleet.producer(*command, cwd=tmp_path)
    worker.wait_for_log("Ctrl-C")
    found = re.findall(rf"^\[[-\d]+ [:\d,]+: INFO/MainProcess\] {line}$", worker.log, re.M)
    assert found == [fleet.server.url], worker.story
    assert len(worker.log.splitlines()) == 1

    victim = procfs.children(worker.pid)[0]
    procfs.kill(victim)
    wait_for("another child", lambda: set(procfs.children(worker.pid)) - {victim})
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0, worker.story
    assert worker.log.count("Ctrl-C") == 1
