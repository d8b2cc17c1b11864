"""The watchdog restarts a worker that no longer takes hints, and no worker with a reason."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared import keys
from shared.broker.celery_app import make_app
from shared.broker.message_filter import CLASSIFY_TASK
from shared.settings import Settings
from tests.faults.apps.unresponsive_worker import FILE_VARIABLE
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import ROOT, SHORT_TIMES, Fleet, Worker, as_product, wait_for
from tests.support.servers.redis_server import RedisServer

IMAGES = 480
LIMIT_S = 3.0
#: A faulty watchdog would restart the worker more than once in this time.
LONG_S = 3 * LIMIT_S
RESTARTS = "this worker restarts"
UNRESPONSIVE_APP = "tests.faults.apps.unresponsive_worker"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


@pytest.fixture
def unresponsive(tmp_path: Path) -> Path:
    file = tmp_path / "unresponsive"
    file.touch()
    return file


@pytest.fixture
def fleet(server: RedisServer, tmp_path: Path) -> Iterator[Fleet]:
    times = {**SHORT_TIMES, FILE_VARIABLE: str(tmp_path / "unresponsive")}
    with Fleet(server, HANGTAG_WATCHDOG_S=str(LIMIT_S), **times) as running:
        yield running


def test_an_unresponsive_worker_restarts_and_the_job_is_finished(
    stage: Scenario, unresponsive: Path
) -> None:
    worker = stage.fleet.worker(2, UNRESPONSIVE_APP)
    assert not unresponsive.exists()
    pid, children = worker.pid, worker.children
    producer = stage.classify()
    worker.wait_for_log(RESTARTS)
    stage.check_outstanding(producer)
    assert stage.fleet.client.llen(keys.CLASSIFY_QUEUE) > 0
    stage.check_finished(producer)
    assert worker.log.count(RESTARTS) == 1
    assert (worker.pid, worker.running) == (pid, True)
    assert not [child for child in children if procfs.is_alive(child)]
    stage.check_nothing_runs(worker)


@pytest.mark.minutes
@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_an_unresponsive_worker_restarts_after_a_minute(
    server: RedisServer, images: Gallery, tmp_path: Path, unresponsive: Path
) -> None:
    limit_s = Settings().watchdog_s
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


def test_a_restarted_worker_still_dies_with_its_starter(fleet: Fleet, unresponsive: Path) -> None:
    """The stack starts workers like this: they must not outlive a killed supervisor."""
    starter = (
        "import os, sys, time; from producer.machine.service import Running; "
        "Running(sys.argv[1:], dict(os.environ), as_json=False); time.sleep(600)"
    )
    command = [sys.executable, *as_product(UNRESPONSIVE_APP, 1)]
    env = fleet.environment({})
    parent = subprocess.Popen(
        [sys.executable, "-c", starter, *command], env=env, cwd=ROOT, stderr=subprocess.PIPE
    )
    try:
        wait_for("the heartbeat", lambda: fleet.client.zcard(keys.WORKERS))
        (worker,) = procfs.children(parent.pid)
        _hint(fleet, 6)
        wait_for("an empty queue", lambda: not fleet.client.llen(keys.CLASSIFY_QUEUE))
        assert procfs.children(parent.pid) == [worker]
    finally:
        parent.kill()
        _, log = parent.communicate()
    assert RESTARTS in log.decode()
    procfs.wait_for_end([worker, *fleet.pids])


def _busy(stage: Scenario, worker: Worker) -> None:
    """Its only child does not finish its batch."""
    producer = stage.classify()
    held = stage.catch(producer, worker)
    time.sleep(LONG_S)
    assert stage.fleet.client.llen(keys.CLASSIFY_QUEUE) > 0
    stage.let_go(held)
    stage.check_finished(producer)


def _suspended(stage: Scenario, worker: Worker) -> None:
    worker.sleep()
    producer = stage.classify()
    wait_for("hints", lambda: stage.fleet.client.llen(keys.CLASSIFY_QUEUE))
    time.sleep(LONG_S)
    worker.wake()
    stage.check_finished(producer)


def _server_frozen(stage: Scenario, worker: Worker) -> None:
    producer = stage.classify()
    stage.reach_the_middle(producer)
    stage.fleet.server.freeze()
    time.sleep(LONG_S)
    stage.fleet.server.thaw()
    stage.check_finished(producer)


def _server_down(stage: Scenario, worker: Worker) -> None:
    stage.fleet.server.kill()
    time.sleep(LONG_S)
    stage.fleet.server.start()
    producer = stage.classify()
    stage.check_finished(producer)


def _idle(stage: Scenario, worker: Worker) -> None:
    time.sleep(LONG_S)
    stage.check_finished(stage.classify())


CASES: dict[str, Callable[[Scenario, Worker], None]] = {
    "busy": _busy,
    "suspended": _suspended,
    "the server is frozen": _server_frozen,
    "the server is down": _server_down,
    "idle": _idle,
}


@pytest.mark.parametrize("case", [*CASES])
def test_a_worker_with_a_reason_is_left_alone(stage: Scenario, case: str) -> None:
    worker = stage.fleet.worker(1)
    CASES[case](stage, worker)
    assert RESTARTS not in worker.log
    stage.check_nothing_runs(worker)


def _hint(fleet: Fleet, count: int) -> None:
    app = make_app(fleet.server.url, "test")
    for batch in range(count):
        app.send_task(CLASSIFY_TASK, args=("abcdefgh", batch), queue=keys.CLASSIFY_QUEUE)
    app.close()
