"""The watchdog with its default time limit of a minute."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER
from tests.support.processes.fleet import Fleet
from tests.support.servers.redis_server import RedisServer

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]
RESTARTS = "this worker restarts"
UNRESPONSIVE_APP = "tests.faults.apps.unresponsive_worker"


def test_an_unresponsive_worker_restarts_after_a_minute(
    server: RedisServer, tmp_path: Path
) -> None:
    limit_s = Settings().watchdog_s
    images = gallery.make(tmp_path, 480)
    unresponsive = tmp_path / "unresponsive"
    unresponsive.touch()
    with Fleet(server) as fleet:
        worker = fleet.worker(1, UNRESPONSIVE_APP, HANGTAG_TEST_UNRESPONSIVE=str(unresponsive))
        started = time.monotonic()
        job = fleet.producer("classify", FOLDER, "-o", str(tmp_path / "out.csv"), cwd=images.cwd)
        worker.wait_for_log(RESTARTS)
        print(f"it restarted after {time.monotonic() - started:.0f} s")
        assert f"no hint was taken for {limit_s:.0f} s" in worker.log
        assert job.wait() == 0, job.story
        assert job.output.read_bytes() == images.table
        assert worker.log.count(RESTARTS) == 1
