"""Commands are killed at their crash points, and the same or the next command goes on.

Commands of a job: restart, cancel, forget, submit, status. Of a request: train, --follow, --cancel.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from producer.journal.job_index import entries
from producer.journal.journal import journal_path
from producer.journal.snapshot import JobState, read_snapshot
from producer.verify.verify import verify
from shared import keys
from shared.errors import Exit
from shared.ledger import request_store
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import RequestState
from shared.registry.registry import Registry
from tests.faults.producer.test_failpoints import FEW, PROGRAM
from tests.support.failpoints.armed import STOP, Points, Shot
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.claims import job_keys
from tests.support.jobs.scenario import Scenario
from tests.support.processes import local_stack, procfs
from tests.support.processes.fleet import Fleet, Producer, wait_for
from tests.support.processes.local_stack import Place
from tests.support.processes.trainers import TIMES, School, draw_classes
from tests.support.servers.leftover_keys import check_none
from tests.support.servers.redis_server import RedisServer

#: A stack belongs to an installation, and the tests stop that of the real one.
pytestmark = [pytest.mark.points, pytest.mark.shipped_model]


def shots(*names: str) -> list[Shot]:
    """Kill at the first passage of each point."""
    return [Shot(name) for name in names]


OF_RESTARTING = shots("queue.left", "index.replaced-forgotten")
OF_REPLACING = shots("index.drafted", "index.remembered", "journal.committing", "journal.committed")
OF_EMPTYING = shots("journal.log-removed", "journal.emptied")
OF_NOT_STARTING = shots("journal.removed")
OF_CANCELLING = shots("ledger.cancel")
OF_FORGETTING = [
    *shots("queue.left", "journal.log-removed", "journal.emptied", "forget.file-removed"),
    *shots("index.forgotten"),
    Shot("forget.file-removed", 4),
]
OF_SUBMITTING = shots("background.begun")
OF_LISTS = shots("list.recorded", "list.forgotten")
OF_STATUS = shots("status.expired-forgotten")
OF_REOPENING = shots("queue.batch-reopened")
OF_REQUESTING = shots("requests.submit", "hint.sent", "requests.get")
OF_CANCELLING_REQUESTS = shots("requests.cancel")
OF_STORING = shots("kept.begun", "kept.part-written", "kept.replaced")
OF_REMOVING = shots("kept.cancelled", "kept.forgotten")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), FEW)


@pytest.fixture
def points(tmp_path: Path) -> Points:
    return Points(tmp_path / "points")


def check_killed(points: Points, command: Producer) -> None:
    """Wait for the end of a command that is killed at the armed point."""
    assert command.wait() == -signal.SIGKILL, command.story
    assert points.victim() == command.pid, command.story


def command(stage: Scenario, points: Points, *arguments: str) -> Producer:
    return stage.fleet.producer(
        *arguments, cwd=stage.gallery.cwd, program=PROGRAM, **points.settings
    )


@pytest.mark.parametrize("shot", OF_RESTARTING, ids=str)
def test_a_restarted_job_is_one_job(stage: Scenario, points: Points, shot: Shot) -> None:
    stage.fleet.worker()
    stage.classify("--timeout", "0.7").wait()  # in the middle or finished; both are discarded
    points.arm(shot)
    restart = stage.classify("--restart", program=PROGRAM, **points.settings)
    check_killed(points, restart)
    stage.check_finished(stage.classify("--restart"))


@pytest.mark.parametrize("shot", OF_REPLACING, ids=str)
def test_a_restart_leaves_the_old_job_or_the_new_one(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    stage.fleet.worker()
    stage.check_finished(stage.classify())
    old = read_snapshot(stage.output)
    assert old is not None
    points.arm(shot)
    check_killed(points, stage.classify("--restart", program=PROGRAM, **points.settings))
    now = read_snapshot(stage.output)
    assert now is not None
    if shot.name == "journal.committed":
        assert now.job != old.job
        stage.check_finished(stage.classify())
    else:
        assert now == old
        assert verify(stage.output).proven
        stage.check_finished(stage.hangtag("collect", old.job))
    stage.check_finished(stage.classify("--restart"))


@pytest.mark.parametrize("shot", OF_EMPTYING, ids=str)
def test_a_restart_of_a_journal_that_cannot_be_read_is_one_job(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    stage.fleet.worker()
    stage.check_finished(stage.classify())
    journal_path(stage.output).write_bytes(b"no journal" * 1000)
    points.arm(shot)
    check_killed(points, stage.classify("--restart", program=PROGRAM, **points.settings))
    stage.check_finished(stage.classify("--restart"))


@pytest.mark.parametrize("shot", OF_NOT_STARTING, ids=str)
def test_a_job_that_never_started_leaves_nothing(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    points.arm(shot)
    never = stage.classify("--model", "no-such-model", program=PROGRAM, **points.settings)
    check_killed(points, never)
    stage.fleet.worker()
    stage.check_finished(stage.classify())


@pytest.mark.parametrize("shot", OF_CANCELLING, ids=str)
def test_a_cancelled_job_ends_although_cancel_dies(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    waiting = stage.classify()  # there is no worker
    wait_for("the job", lambda: stage.fleet.client.zcard(keys.JOBS) and waiting.view)
    points.arm(shot)
    check_killed(points, command(stage, points, "cancel", str(stage.output)))
    assert waiting.wait() == Exit.CANCELLED, waiting.story
    assert job_keys(stage.fleet.client) == []
    stage.fleet.worker()
    stage.check_finished(stage.classify())


@pytest.mark.parametrize("shot", OF_FORGETTING, ids=str)
def test_a_forgotten_job_is_gone_although_forget_dies(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    """The repeated command finds the job, or nothing is left of it."""
    waiting = stage.classify()  # there is no worker
    wait_for("the job in Redis", lambda: job_keys(stage.fleet.client))
    waiting.interrupt()
    old = read_snapshot(stage.output)
    assert old is not None
    assert job_keys(stage.fleet.client) != []
    points.arm(shot)
    check_killed(points, command(stage, points, "forget", str(stage.output), "--yes"))
    again = stage.hangtag("forget", old.job, "--yes")
    assert again.wait() in (Exit.OK, Exit.USAGE), again.story
    assert job_keys(stage.fleet.client) == []
    assert not journal_path(stage.output).exists()
    assert old.job not in {entry.id for entry in entries()}
    stage.fleet.worker()
    stage.check_finished(stage.classify())


@pytest.mark.parametrize("shot", OF_SUBMITTING, ids=str)
def test_a_submitted_job_continues_without_its_command(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    stage.fleet.worker()
    points.arm(shot)
    submit = command(stage, points, "submit", FOLDER, "-o", str(stage.output))
    check_killed(points, submit)
    wait_for(
        "the table", lambda: (v := read_snapshot(stage.output)) and v.state is JobState.FINISHED
    )
    stage.check_finished(stage.hangtag("collect", str(stage.output)))


@pytest.mark.parametrize("shot", OF_LISTS, ids=str)
def test_a_piped_list_belongs_to_its_job_although_the_producer_dies(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    """The first command stops before a worker is there; the next one adds lines; the same one
    continues."""
    lines = [f"{path}\n" for path in stage.gallery.paths]
    few, whole = "".join(lines[:200]), "".join(lines)
    arguments = ("classify", "--list", "-", "-o", str(stage.output))
    first = stage.fleet.producer(*arguments, cwd=stage.gallery.cwd, stdin=few)
    first.wait_until_sent()
    first.interrupt()
    stage.fleet.worker()
    points.arm(shot)
    second = stage.fleet.producer(
        *arguments, cwd=stage.gallery.cwd, program=PROGRAM, stdin=whole, **points.settings
    )
    check_killed(points, second)
    stage.check_finished(stage.fleet.producer(*arguments, cwd=stage.gallery.cwd, stdin=whole))
    assert verify(stage.output).proven
    (recorded,) = stage.folder.glob("out.csv.hangtag.list-*")
    assert recorded.read_text() == whole


@pytest.mark.parametrize("shot", OF_STATUS, ids=str)
def test_status_changes_no_job_although_it_dies(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    stage.fleet.worker()
    stage.fleet.client.zadd(keys.JOBS, {"abcdefgh": 1.0})  # its keys have expired
    points.arm(shot)
    check_killed(points, command(stage, points, "status"))
    assert stage.fleet.client.zcard(keys.JOBS) == 0
    stage.check_finished(stage.classify())


@pytest.mark.parametrize("shot", OF_REOPENING, ids=str)
def test_a_result_that_redis_lost_is_computed_again_although_the_producer_dies(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    stage.fleet.worker()
    points.arm(Shot("hint.sent", 2, STOP), shot)
    producer = stage.classify(program=PROGRAM, **points.settings)
    stopped = points.wait(0)
    client = stage.fleet.client
    (record,) = wait_for("the job", lambda: list(client.scan_iter(keys.job("*", "record"))))
    job = record.decode().split(":")[-2]
    wait_for("a result", lambda: client.xlen(keys.job(job, "results")) >= 2)
    client.delete(keys.job(job, "results"))
    procfs.go_on(stopped)
    check_killed(points, producer)
    stage.check_finished(stage.classify())


@pytest.fixture
def school(server: RedisServer, tmp_path: Path) -> Iterator[School]:
    shapes = draw_classes(tmp_path / "shapes")
    with Fleet(server, **TIMES) as fleet, closing(School(fleet, tmp_path, shapes)) as school:
        yield school


def training(school: School, request: str) -> tuple[str, ...]:
    work = ("--data", str(school.data), "--name", request, "--recipe", "tutorial", "--epochs", "2")
    return ("train", *work, "--request-id", request)


@pytest.mark.parametrize("shot", OF_REQUESTING, ids=str)
def test_a_request_is_submitted_once_although_train_dies(
    school: School, points: Points, shot: Shot
) -> None:
    school.trainers(1)
    points.arm(shot)
    arguments = training(school, "shapes")
    where = school.data.parent
    first = school.fleet.producer(*arguments, cwd=where, program=PROGRAM, **points.settings)
    check_killed(points, first)
    again = school.fleet.producer(*arguments, cwd=where)
    assert again.wait() == Exit.OK, again.story
    school.check_one_version("shapes", school.trained("shapes").model)


@pytest.mark.parametrize("shot", OF_CANCELLING_REQUESTS, ids=str)
def test_a_cancelled_request_stays_cancelled_although_cancel_dies(
    school: School, points: Points, shot: Shot
) -> None:
    where = school.data.parent
    detached = school.fleet.producer(*training(school, "shapes"), "--detach", cwd=where)
    assert detached.wait() == Exit.OK, detached.story
    points.arm(shot)
    cancel = ("train", "--cancel", "shapes")
    check_killed(
        points, school.fleet.producer(*cancel, cwd=where, program=PROGRAM, **points.settings)
    )
    assert school.look("shapes").state is RequestState.CANCELLED
    school.trainers(1)
    check_none_but_requests(school)
    assert school.versions("shapes") == []


def check_none_but_requests(school: School) -> None:
    """Only the state of the request is left, which stays for a day as its idempotency key."""
    school.fleet.client.delete(keys.request("shapes", "state"))
    check_none(school.fleet.client)


@pytest.fixture
def place() -> Iterator[Place]:
    yield from local_stack.new()


def state_of(place: Place, request_id: str) -> RequestState | None:
    with place.client() as client:
        view = RequestLedger(client, place.settings.lease_s).get(request_id)
    return view.state if view is not None else None


@pytest.mark.parametrize("shot", OF_STORING + OF_REMOVING, ids=str)
def test_a_request_to_this_machines_stack_is_stored_or_not_submitted(
    place: Place, points: Points, tmp_path: Path, shot: Shot, server_binary: Path
) -> None:
    """The repeated command submits it; a cancelled request is removed."""
    with RedisServer(server_binary) as unused, Fleet(unused) as fleet:
        shapes = draw_classes(tmp_path / "shapes")
        settings = {**place.environment, **points.settings, "HANGTAG_REDIS_URL": ""}

        def hangtag(*words: str, armed: bool = False) -> Producer:
            program = PROGRAM if armed else ("producer.cli",)
            return fleet.producer(*words, cwd=tmp_path, program=program, **settings)

        training = ("train", "--data", str(shapes), "--name", "shapes", "--recipe", "tutorial",
                 "--detach")  # fmt: skip
        if shot in OF_REMOVING:
            # The second waits behind the first: a trainer removes the request that it works on.
            for request_id in ("running", "shapes"):
                submitted = hangtag(*training, "--epochs", "100000", "--request-id", request_id)
                assert submitted.wait() == Exit.OK, submitted.story
                wait_for("the first", lambda: state_of(place, "running") is RequestState.RUNNING)
            points.arm(shot)
            check_killed(points, hangtag("train", "--cancel", "shapes", armed=True))
            store = place.settings.store_path
            wait_for("its end", lambda: not request_store.folder(store, "shapes").exists())
            return
        points.arm(shot)
        arguments = (*training, "--epochs", "2", "--request-id", "shapes")
        check_killed(points, hangtag(*arguments, armed=True))
        again = hangtag(*(argument for argument in arguments if argument != "--detach"))
        assert again.wait() == Exit.OK, again.story
        assert Registry(place.settings.store_path).versions("shapes") == [1]
