"""Workers and trainers that were killed leave no file behind once others have run."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.processes.fleet import Fleet
from tests.support.processes.trainers import TIMES, School, draw_classes
from tests.support.servers.redis_server import RedisServer


@pytest.mark.nightly
def test_killed_workers_and_trainers_leave_no_file(server: RedisServer, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    data = draw_classes(tmp_path / "classes")
    with (
        Fleet(server, **TIMES, TMPDIR=str(temporary)) as fleet,
        closing(School(fleet, tmp_path, data)) as school,
    ):
        school.moments.hold("evaluating")
        trainer, worker = school.trainers(1)[0], fleet.worker(1)
        request = school.ask("shapes")
        child = school.moments.wait_for("evaluating")
        assert len(list(temporary.glob("*/alive.json"))) == 2, "a folder of each"
        school.kill(child, request, trainer)
        worker.kill()
        school.moments.reset()
        trainer, worker = school.trainers(1)[0], fleet.worker(1)
        school.hint(request)
        school.trained(request)
        for one in (trainer, worker):
            one.signal(signal.SIGTERM)
            one.wait()
    assert os.listdir(temporary) == []
