"""Files that crash the process that decodes them: one bad image costs one row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import Exit
from shared.image_status import Status
from tests.faults.apps.poison_worker import ABORT, ALLOCATE, CRASH, DEVOUR, HANG, RAISE
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.claims import catch, job_keys
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import POISON_APP, SHORT_TIMES, Fleet, Worker
from tests.support.servers.redis_server import RedisServer

IMAGES = 200
#: A batch has 2 s, one image of a careful batch 1 s.
SHORT_LIMITS = {"HANGTAG_BATCH_LIMIT_S": "2", "HANGTAG_CAREFUL_LIMIT_S": "1"}
#: Less than the poison allocates without a limit.
LITTLE_MEMORY_MB = "256"
Row = dict[str, str]


@pytest.fixture
def fleet(server: RedisServer) -> Iterator[Fleet]:
    with Fleet(server, **SHORT_TIMES, **SHORT_LIMITS) as running:
        yield running


@pytest.fixture
def images(tmp_path: Path) -> Gallery:
    return gallery.make(tmp_path, IMAGES)


def test_two_images_that_crash_in_one_batch_cost_two_rows(stage: Scenario) -> None:
    worker = stage.fleet.worker(app=POISON_APP)
    poison = _poison(stage, CRASH, 40, 41)
    _check_crashed(stage, worker, poison)


def test_the_last_image_of_a_job_crashes_the_only_child_and_costs_one_row(stage: Scenario) -> None:
    worker = stage.fleet.worker(app=POISON_APP, concurrency=1)
    poison = _poison(stage, CRASH, IMAGES - 1)
    _check_crashed(stage, worker, poison)


def test_crashing_and_hanging_images_in_different_batches_cost_their_rows(
    stage: Scenario,
) -> None:
    worker = stage.fleet.worker(app=POISON_APP)
    poison = _poison(stage, CRASH, 3) | _poison(stage, HANG, 190)
    _check_crashed(stage, worker, poison)


def test_an_image_that_allocates_without_limit_is_too_large(stage: Scenario) -> None:
    """It is refused, no process dies, and the other images of its batch are classified."""
    worker = stage.fleet.worker(
        app=POISON_APP,
        HANGTAG_CHILD_MEMORY_MB=LITTLE_MEMORY_MB,
        HANGTAG_BATCH_LIMIT_S="120",  # filling that memory may take longer than the short limit
        HANGTAG_CAREFUL_LIMIT_S="60",
    )
    children = worker.children
    poison = _poison(stage, ALLOCATE, 40, 150)
    assert stage.classify().wait() == Exit.SOME_FAILED
    assert worker.children == children
    _check_failed(stage, worker, poison, Status.TOO_LARGE)


def test_a_decoder_that_aborts_without_memory_costs_one_row(stage: Scenario) -> None:
    worker = stage.fleet.worker(app=POISON_APP, HANGTAG_CHILD_MEMORY_MB=LITTLE_MEMORY_MB)
    _check_crashed(stage, worker, _poison(stage, ABORT, 40))


def test_an_image_that_triggers_the_oom_killer_costs_one_row(stage: Scenario) -> None:
    worker = stage.fleet.worker(app=POISON_APP)
    _check_crashed(stage, worker, _poison(stage, DEVOUR, 40))


def test_an_unexpected_exception_of_a_decoder_costs_one_row(stage: Scenario) -> None:
    worker = stage.fleet.worker(app=POISON_APP)
    poison = _poison(stage, RAISE, 40)
    _check_failed(stage, worker, poison, Status.UNREADABLE)


def test_killed_workers_blame_no_image(stage: Scenario) -> None:
    """The only batch is in progress at each death, more often than blames one of its images."""
    producer = stage.classify(HANGTAG_BATCH_IMAGES=str(len(stage.gallery.paths)))
    for _ in range(5):
        worker = stage.fleet.worker(concurrency=1)
        catch(stage.fleet.client, worker.children)
        worker.kill()
    worker = stage.fleet.worker()
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def _poison(stage: Scenario, content: bytes, *numbers: int) -> set[str]:
    paths = {stage.gallery.paths[number] for number in numbers}
    for path in paths:
        (stage.gallery.cwd / path).write_bytes(content)
    return paths


def _check_crashed(stage: Scenario, worker: Worker, poison: set[str]) -> None:
    _check_failed(stage, worker, poison, Status.CRASHED)


def _check_failed(stage: Scenario, worker: Worker, poison: set[str], status: Status) -> None:
    producer = stage.classify()
    assert producer.wait() == Exit.SOME_FAILED, producer.story
    wanted = _rows(stage.gallery.table.decode())
    rows = _rows(stage.output.read_text())
    assert [row["path"] for row in rows] == stage.gallery.paths
    assert [row for row in rows if row["path"] not in poison] == [
        row for row in wanted if row["path"] not in poison
    ]
    for row in rows:
        if row["path"] in poison:
            assert row["status"] == status
            assert row["label"] == ""
            assert row["error"] == status.sentence
    assert job_keys(stage.fleet.client) == []
    stage.check_nothing_runs(worker)


def _rows(table: str) -> list[Row]:
    return list(csv.DictReader(table.splitlines()))
