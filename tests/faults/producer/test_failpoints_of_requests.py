"""Commands of a request die at their crash points: train and --cancel, at a broker and at this
machine's stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.errors import Exit
from shared.ledger.request_store import RequestFolder, RequestState
from shared.messages.requests import Request
from shared.registry.registry import Registry
from tests.faults.producer.test_failpoints import PROGRAM, check_killed, shots
from tests.support.failpoints.armed import Points, Shot
from tests.support.jobs import stored_requests
from tests.support.processes import local_stack
from tests.support.processes.fleet import Fleet, Producer, Worker, wait_for
from tests.support.processes.local_stack import Place
from tests.support.processes.trainers import TIMES, School, draw_classes
from tests.support.servers.redis_server import RedisServer

#: A stack belongs to an installation, and the tests stop that of the real one.
pytestmark = [pytest.mark.points, pytest.mark.shipped_model]

OF_REQUESTING = shots("inbox.sent", "hint.sent", "inbox.read")
OF_STORING = shots("request.room-made", "kept.part-written", "kept.replaced")
OF_REMOVING = shots("request.ended", "request.work-removed")


@pytest.fixture
def points(tmp_path: Path) -> Points:
    return Points(tmp_path / "points")


@pytest.fixture(scope="module")
def school(server_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    folder = tmp_path_factory.mktemp("school")
    shapes = draw_classes(folder / "shapes")
    with (
        RedisServer(server_binary) as server,
        Fleet(server, **TIMES) as fleet,
        closing(School(fleet, folder, shapes)) as school,
    ):
        yield school


@pytest.fixture(scope="module")
def trainer(school: School) -> Worker:
    return school.trainers(1)[0]


def train(school: School, request: str, *options: str, **settings: str) -> Producer:
    work = ("--data", str(school.data), "--name", request, "--recipe", "tutorial", "--epochs", "2")
    arguments = ("train", *work, "--request-id", request, *options)
    program = PROGRAM if settings else ("producer.cli",)
    return school.fleet.producer(*arguments, cwd=school.data.parent, program=program, **settings)


@pytest.mark.parametrize("shot", OF_REQUESTING, ids=str)
def test_a_request_is_submitted_once_although_train_dies(
    school: School, trainer: Worker, points: Points, shot: Shot
) -> None:
    request = str(shot).replace(".", "-")
    points.arm(shot)
    check_killed(points, train(school, request, **points.settings))
    again = train(school, request)
    assert again.wait() == Exit.OK, again.story
    school.check_one_version(request, school.trained(request).model)


def test_a_cancelled_request_stays_cancelled_although_cancel_dies(
    school: School, trainer: Worker, points: Points
) -> None:
    trainer.sleep()
    unwanted = Request("unwanted", school.training("unwanted"), "tester@here", 1.0)
    stored_requests.keep(school.store, unwanted)
    school.inbox.submit(unwanted)
    points.arm(Shot("inbox.cancelled"))
    cancel = ("train", "--cancel", "unwanted")
    where = school.data.parent
    check_killed(
        points, school.fleet.producer(*cancel, cwd=where, program=PROGRAM, **points.settings)
    )
    trainer.wake()
    assert train(school, "wanted").wait() == Exit.OK
    assert school.look("unwanted").state is RequestState.CANCELLED
    assert school.versions("unwanted") == []


@pytest.fixture
def place() -> Iterator[Place]:
    yield from local_stack.new()


def state_of(place: Place, request_id: str) -> RequestState | None:
    return RequestFolder(place.settings.store_path, request_id).state


def is_free(place: Place, request_id: str) -> bool:
    """Whether no process works on a request."""
    with RequestFolder(place.settings.store_path, request_id).locked(0) as is_mine:
        return is_mine


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
            assert state_of(place, "shapes") is RequestState.CANCELLED
            assert hangtag("train", "--cancel", "running").wait() == Exit.OK
            wait_for("its end", lambda: is_free(place, "running"))
            return
        points.arm(shot)
        arguments = (*training, "--epochs", "2", "--request-id", "shapes")
        check_killed(points, hangtag(*arguments, armed=True))
        again = hangtag(*(argument for argument in arguments if argument != "--detach"))
        assert again.wait() == Exit.OK, again.story
        assert Registry(place.settings.store_path).versions("shapes") == [1]
