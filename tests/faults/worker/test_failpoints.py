"""A worker's child or parent ends, fails or stops at each of its crash points."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from shared import keys
from shared.ledger import heartbeats
from tests.support.failpoints.armed import KILL, RAISE, STOP, WAYS, Points, Shot
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.claims import catch
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import Worker, wait_for

pytestmark = pytest.mark.points

FEW = 320
APP = "tests.faults.apps.failpoint_worker"
ASLEEP_S = 2.5
#: Twenty beats.
BEATS_WITHIN_S = 10.0
ONE_MESSAGE = {"HANGTAG_BATCH_IMAGES": "1024"}
#: A child that dies there has a batch in hand; its parent reports it.
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
OF_GIVING_BACK = [Shot("ledger.release", 1, how) for how in WAYS]
OF_CAREFUL_CHILDREN = [Shot("ledger.mark_image", 3, how) for how in WAYS]
OF_PARENTS = [Shot("heartbeat.beaten", 2, how) for how in WAYS]
OF_UNDERTAKERS = [
    Shot(name, 1, how) for name in ("ledger.report_death", "hint.repeated") for how in WAYS
]
OF_HEALING_PARENTS = [Shot("foreign.removed", 1, how) for how in WAYS]
#: The first is at the start, when a worker asks whether it is let in.
OF_ENDING_PARENTS = [Shot("heartbeat.withdrawn", 2, how) for how in WAYS]
OF_GIVING_HINTS_BACK = [Shot("hint.given-back", 1, how) for how in WAYS]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), FEW)


@pytest.fixture
def points(tmp_path: Path) -> Points:
    return Points(tmp_path / "points")


def armed_worker(stage: Scenario, points: Points, *shots: Shot, ready: bool = True) -> Worker:
    points.arm(*shots)
    return stage.fleet.worker(2, APP, ready=ready, **points.settings)


def pass_it(points: Points, shot: Shot) -> int:
    """Wait until it has fired, and wake who was stopped there after a while; who it was."""
    if shot.how != STOP:
        return points.wait()
    stopped = points.wait_until_stopped()
    time.sleep(ASLEEP_S)
    procfs.go_on(stopped)
    return stopped


@pytest.mark.parametrize("shot", OF_CHILDREN, ids=str)
def test_a_child_at_any_point_loses_and_doubles_nothing(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    worker = armed_worker(stage, points, shot)
    producer = stage.classify()
    pass_it(points, shot)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("shot", OF_GIVING_BACK, ids=str)
def test_a_child_that_gives_its_batch_back_may_do_so_badly(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    worker = armed_worker(stage, points, Shot("ledger.claim", 1, RAISE), shot)
    producer = stage.classify()
    pass_it(points, shot)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("shot", OF_CAREFUL_CHILDREN, ids=str)
def test_one_death_at_an_image_of_a_careful_batch_convicts_nothing(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    worker = armed_worker(stage, points, DEATH, DEATH, shot)
    producer = stage.classify(**ONE_MESSAGE)  # so that both deaths are its
    pass_it(points, shot)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("shot", OF_PARENTS, ids=str)
def test_a_parent_at_any_point_loses_and_doubles_nothing(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    worker = armed_worker(stage, points, shot, ready=False)
    producer = stage.classify()
    pass_it(points, shot)
    check_goes_on(stage, points, shot, worker)
    stage.check_finished(producer)


@pytest.mark.parametrize("shot", OF_UNDERTAKERS, ids=str)
def test_a_parent_that_reports_a_death_may_die_of_it(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    worker = armed_worker(stage, points, DEATH, shot)
    producer = stage.classify()
    pass_it(points, shot)
    check_goes_on(stage, points, shot, worker)
    stage.check_finished(producer)


@pytest.mark.parametrize("shot", OF_HEALING_PARENTS, ids=str)
def test_a_parent_that_makes_room_for_its_heartbeat_may_die_of_it(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    worker = armed_worker(stage, points, shot)
    with stage.fleet.client.pipeline(transaction=True) as pipe:
        pipe.delete(keys.WORKERS)
        pipe.set(keys.WORKERS, "rubbish")
        pipe.execute()
    producer = stage.classify()
    pass_it(points, shot)
    check_goes_on(stage, points, shot, worker)
    stage.check_finished(producer)


def check_goes_on(stage: Scenario, points: Points, shot: Shot, worker: Worker) -> None:
    """A parent that was killed needs a successor; in all other cases its heart beats on."""
    assert points.victim() == worker.pid
    if shot.how == KILL:
        worker.kill()
        stage.fleet.worker()
    else:
        check_beats(stage, worker)


def check_beats(stage: Scenario, worker: Worker) -> None:
    """A heartbeat comes that was not there yet."""

    def beats() -> list[int]:
        return [b.at_ms for b in heartbeats.alive(stage.fleet.client) if b.pid == worker.pid]

    known = beats()
    wait_for("another beat", lambda: set(beats()) - set(known), timeout_s=BEATS_WITHIN_S)
    assert worker.running, worker.story


@pytest.mark.parametrize("shot", OF_ENDING_PARENTS, ids=str)
def test_a_worker_that_is_told_to_end_may_die_before_it_has(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    ending = armed_worker(stage, points, shot)
    other = stage.fleet.worker()
    producer = stage.classify()
    stage.let_go(catch(stage.fleet.client, ending.children))
    ending.signal(signal.SIGTERM)
    assert pass_it(points, shot) == ending.pid
    assert ending.wait() == (-signal.SIGKILL if shot.how == KILL else 0), ending.story
    stage.check_finished(producer)
    stage.check_nothing_runs(other)


@pytest.mark.parametrize("shot", OF_GIVING_HINTS_BACK, ids=str)
def test_a_worker_that_gives_its_hints_back_may_die_of_it(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    ending = armed_worker(stage, points, shot)
    other = stage.fleet.worker()
    producer = stage.classify()
    stage.let_go(catch(stage.fleet.client, ending.children))
    ending.signal(signal.SIGTERM)
    assert pass_it(points, shot) == ending.pid
    # One hint may still be on its way when the connection closes; an error nobody foresaw is told.
    codes = {KILL: (-signal.SIGKILL,), RAISE: (0, 1), STOP: (0,)}[shot.how]
    assert ending.wait() in codes, ending.story
    stage.check_finished(producer)
    stage.check_nothing_runs(other)
