"""The watchdog with the time that people run it with: a minute."""

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
BITES = "this worker restarts"
SLACK_S = 30.0


def test_a_deaf_worker_begins_anew_after_a_minute(server: RedisServer, tmp_path: Path) -> None:
    limit_s = Settings().watchdog_s
    pictures = gallery.make(tmp_path, 480)
    deaf = tmp_path / "deaf"
    deaf.touch()
    with Fleet(server) as fleet:
        worker = fleet.worker(1, "tests.faults.apps.deaf_worker", HANGTAG_TEST_DEAF=str(deaf))
        begun = time.monotonic()
        job = fleet.producer("classify", FOLDER, "-o", str(tmp_path / "out.csv"), cwd=pictures.cwd)
        worker.wait_for_log(BITES)
        waited_s = time.monotonic() - begun
        print(f"it began anew after {waited_s:.0f} s")
        assert limit_s - 10 < waited_s < limit_s + SLACK_S
        assert job.wait() == 0, job.story
        assert job.output.read_bytes() == pictures.table
        assert worker.log.count(BITES) == 1
