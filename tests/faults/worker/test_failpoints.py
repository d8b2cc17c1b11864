"""A worker's child or parent is killed, fails or is suspended at each of its crash points."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from shared.ledger import heartbeats
from tests.support.failpoints.armed import KILL, RAISE, STOP, WAYS, Points, Shot
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.claims import catch
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import POISON_APP, Worker, wait_for

pytestmark = pytest.mark.points

FEW = 320
SUSPENDED_S = 2.5
#: Twenty heartbeats.
BEATS_WITHIN_S = 10.0
ONE_MESSAGE = {"HANGTAG_BATCH_IMAGES": "1024"}
#: A child that dies there has a batch in progress; its parent reports the death.
DEATH = Shot("ledger.claim")
OF_CHILDREN = [
    Shot("ledger.claim", 1, KILL),
    Shot("ledger.claim", 2, KILL),
    Shot("ledger.claim", 1, RAISE),
    Shot("ledger.claim", 1, STOP),
    Shot("ledger.complete", 1, KILL),
    Shot("ledger.complete", 2, KILL),
    Shot("ledger.complete", 1, RAISE),
    Shot("ledger.complete", 1, STOP),
]
OF_RELEASING_CHILDREN = [Shot("ledger.release", 1, how) for how in WAYS]
OF_CAREFUL_CHILDREN = [Shot("ledger.mark_image", 3, how) for how in WAYS]
OF_PARENTS = [Shot("heartbeat.beaten", 2, how) for how in WAYS]
OF_REPORTING_PARENTS = [
    Shot(name, 1, how) for name in ("ledger.report_death", "hint.repeated") for how in WAYS
]
#: The first passage is at the start, where a worker checks its access.
OF_STOPPING_PARENTS = [Shot("heartbeat.withdrawn", 2, how) for how in WAYS]
OF_RETURNING_HINTS = [Shot("hint.given-back", 1, how) for how in WAYS]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), FEW)


@pytest.fixture
def points(tmp_path: Path) -> Points:
    return Points(tmp_path / "points")


def armed_worker(stage: Scenario, points: Points, *shots: Shot, ready: bool = True) -> Worker:
    points.arm(*shots)
    return stage.fleet.worker(2, POISON_APP, ready=ready, **points.settings)


def wait_for_shot(points: Points, shot: Shot) -> int:
    """Wait until it has fired, resume a stopped victim after a while, and return its pid."""
    if shot.how != STOP:
        return points.wait()
    stopped = points.wait_until_stopped()
    time.sleep(SUSPENDED_S)
    procfs.go_on(stopped)
    return stopped


@pytest.mark.parametrize("shot", OF_CHILDREN, ids=str)
def test_a_child_at_any_point_loses_and_doubles_nothing(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    worker = armed_worker(stage, points, shot)
    producer = stage.classify()
    wait_for_shot(points, shot)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("shot", OF_RELEASING_CHILDREN, ids=str)
def test_a_child_may_die_while_it_releases_its_batch(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    worker = armed_worker(stage, points, Shot("ledger.claim", 1, RAISE), shot)
    producer = stage.classify()
    wait_for_shot(points, shot)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("shot", OF_CAREFUL_CHILDREN, ids=str)
def test_one_death_at_an_image_of_a_careful_batch_blames_no_image(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    worker = armed_worker(stage, points, DEATH, DEATH, shot)
    # Both deaths belong to the only batch.
    producer = stage.classify(program=("tests.faults.apps.one_message_producer",), **ONE_MESSAGE)
    wait_for_shot(points, shot)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("shot", OF_PARENTS, ids=str)
def test_a_parent_at_any_point_loses_and_doubles_nothing(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    worker = armed_worker(stage, points, shot, ready=False)
    producer = stage.classify()
    wait_for_shot(points, shot)
    check_continues(stage, points, shot, worker)
    stage.check_finished(producer)


@pytest.mark.parametrize("shot", OF_REPORTING_PARENTS, ids=str)
def test_a_parent_may_die_while_it_reports_a_death(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    worker = armed_worker(stage, points, DEATH, shot)
    producer = stage.classify()
    wait_for_shot(points, shot)
    check_continues(stage, points, shot, worker)
    stage.check_finished(producer)


def check_continues(stage: Scenario, points: Points, shot: Shot, worker: Worker) -> None:
    """A killed parent needs a successor; otherwise its heartbeats continue."""
    assert points.victim() == worker.pid
    if shot.how == KILL:
        worker.kill()
        stage.fleet.worker()
    else:
        check_beats(stage, worker)


def check_beats(stage: Scenario, worker: Worker) -> None:
    """A new heartbeat arrives."""

    def beats() -> list[int]:
        return [b.at_ms for b in heartbeats.alive(stage.fleet.client) if b.pid == worker.pid]

    known = beats()
    wait_for("another heartbeat", lambda: set(beats()) - set(known), timeout_s=BEATS_WITHIN_S)
    assert worker.running, worker.story


@pytest.mark.parametrize("shot", OF_STOPPING_PARENTS, ids=str)
def test_a_worker_may_die_while_it_stops(stage: Scenario, points: Points, shot: Shot) -> None:
    stopping = armed_worker(stage, points, shot)
    other = stage.fleet.worker()
    producer = stage.classify()
    stage.let_go(catch(stage.fleet.client, stopping.children))
    stopping.signal(signal.SIGTERM)
    assert wait_for_shot(points, shot) == stopping.pid
    assert stopping.wait() == (-signal.SIGKILL if shot.how == KILL else 0), stopping.story
    stage.check_finished(producer)
    stage.check_nothing_runs(other)


@pytest.mark.parametrize("shot", OF_RETURNING_HINTS, ids=str)
def test_a_worker_may_die_while_it_returns_its_hints(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    stopping = armed_worker(stage, points, shot)
    other = stage.fleet.worker()
    producer = stage.classify()
    stage.let_go(catch(stage.fleet.client, stopping.children))
    stopping.signal(signal.SIGTERM)
    assert wait_for_shot(points, shot) == stopping.pid
    # A hint may be in transit when the connection closes; an unexpected error exits with 1.
    codes = {KILL: (-signal.SIGKILL,), RAISE: (0, 1), STOP: (0,)}[shot.how]
    assert stopping.wait() in codes, stopping.story
    stage.check_finished(producer)
    stage.check_nothing_runs(other)
