"""A producer is killed, fails or is suspended at each crash point; so is the server."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import Exit
from tests.support.failpoints.armed import KILL, RAISE, STOP, Points, Shot
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import SHORT_TIMES, Fleet, Producer
from tests.support.servers.redis_server import RedisServer

pytestmark = pytest.mark.points

#: Enough for ten messages: each step is passed several times.
FEW = 320
PROGRAM = ("tests.faults.apps.failpoint_producer",)
#: Longer than a heartbeat's TTL, and than a batch waits for its owner.
SUSPENDED_S = 2.5
#: Point -> the passages at which the producer is killed. At the first it also fails or is stopped.
PASSAGES: dict[str, tuple[int, ...]] = {
    "journal.committing": (1, 2, 3, 4, 6),
    "journal.committed": (1, 2, 3, 4, 6),
    "index.drafted": (1,),
    "index.remembered": (1,),
    "queue.resumed": (1,),
    "queue.touched": (1, 3),
    "ledger.survey": (1, 2),
    "queue.images-put": (1, 3),
    "hint.sent": (1, 3),
    "queue.trimmed": (1, 2),
    "table.started": (1,),
    "table.written": (1,),
    "table.placed": (1,),
    "queue.left": (1,),
}
SHOTS = [Shot(name, nth) for name, passages in PASSAGES.items() for nth in passages] + [
    Shot(name, 1, how) for name in PASSAGES for how in (RAISE, STOP)
]
#: The table exists before these.
AT_THE_END = {"table.placed", "queue.left"}
#: The server is killed here, between two steps that need it.
OF_THE_SERVER = [
    Shot("queue.resumed", 1),
    Shot("queue.touched", 2),
    Shot("ledger.survey", 2),
    Shot("journal.committing", 5),
    Shot("journal.committed", 5),
    Shot("queue.trimmed", 2),
    Shot("queue.images-put", 3),
    Shot("hint.sent", 3),
]
OF_THE_SERVER_AT_THE_END = [Shot("table.written", 1), Shot("table.placed", 1)]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), FEW)


@pytest.fixture(scope="module")
def fleet(server_binary: Path) -> Iterator[Fleet]:
    """One worker and one server for all tests of this file."""
    with RedisServer(server_binary) as server, Fleet(server, **SHORT_TIMES) as running:
        running.worker()
        yield running


@pytest.fixture
def points(tmp_path: Path) -> Points:
    return Points(tmp_path / "points")


def start(stage: Scenario, points: Points, shot: Shot) -> Producer:
    points.arm(shot)
    return stage.classify(program=PROGRAM, **points.settings)


@pytest.mark.parametrize("shot", SHOTS, ids=str)
def test_a_producer_at_any_point_loses_and_doubles_nothing(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    producer = start(stage, points, shot)
    if shot.how == STOP:
        stopped = points.wait_until_stopped()
        time.sleep(SUSPENDED_S)
        procfs.go_on(stopped)
        stage.check_finished(producer)
        return
    code = producer.wait()
    assert points.victim() == producer.pid, f"it never reached that point\n{producer.story}"
    assert code == (-signal.SIGKILL if shot.how == KILL else Exit.SETUP), producer.story
    assert stage.output.exists() == (shot.name in AT_THE_END)
    stage.check_finished(stage.classify())


@pytest.mark.parametrize("shot", OF_THE_SERVER, ids=str)
def test_a_server_killed_at_any_point_and_restarted_empty_costs_no_row(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    server = stage.fleet.server
    producer = start(stage, points, shot._replace(pid=server.pid))
    producer.wait_for_log("Redis has been unreachable")
    assert points.victim() == producer.pid
    assert not server.running
    assert producer.view is None or producer.view.done < FEW
    server.restart()
    stage.check_finished(producer)


@pytest.mark.parametrize("shot", OF_THE_SERVER_AT_THE_END, ids=str)
def test_a_server_killed_after_the_last_result_is_not_needed(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    server = stage.fleet.server
    producer = start(stage, points, shot._replace(pid=server.pid))
    assert producer.wait() == Exit.OK, producer.story
    assert not server.running
    stage.check_table(producer.output.read_bytes())
    server.start()
