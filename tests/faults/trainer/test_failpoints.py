"""A trainer's child or parent is killed, fails or is suspended at each of its crash points."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zlib import crc32

import msgspec
import pytest

from shared.ledger import request_store
from shared.ledger.request_store import RequestState
from shared.messages.requests import Remove, Request, Rollback
from shared.registry.version_folder import STAGED
from tests.support.failpoints.armed import KILL, RAISE, STOP, Points, Shot
from tests.support.jobs import stored_requests
from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet, wait_for
from tests.support.processes.trainers import TIMES, School, draw_classes
from tests.support.servers.redis_server import RedisServer

pytestmark = pytest.mark.points

SUSPENDED_S = 1.5
#: A round stores some requests before a trainer takes them over.
REQUESTS = 4
#: Point -> the passages at which a training child is killed. At the last one it may also fail, or
#: be suspended for a while.
PASSAGES: dict[str, tuple[int, ...]] = {
    "request.room-made": (1,),
    "kept.part-written": (1, 2),
    "kept.replaced": (1, 2),
    "request.entered": (1,),
    "stored.begun": (1,),
    "stored.split": (1,),
    "stored.described": (1,),
    "inbox.reported": (1, 2),
    "checkpoint.written": (1, 2),
    "checkpoint.placed": (2,),
    "version.number-taken": (1,),
    "version.file-written": (1, 2),
    "version.appeared": (1,),
    "aliases.appended": (1,),
    "copies.part-put": (1,),
    "copies.sizes-put": (1,),
    "copies.card-put": (1,),
    "copies.aliases-put": (1,),
    "request.answer-placed": (1,),
    "request.ended": (1,),
    "request.work-removed": (1,),
    "inbox.published": (2,),
}
#: Points at which a child also fails and is suspended by day; the night has the others (minutes).
SOME = (
    "request.entered",
    "stored.described",
    "inbox.reported",
    "checkpoint.written",
    "version.file-written",
    "version.appeared",
    "aliases.appended",
    "copies.card-put",
    "request.answer-placed",
    "request.ended",
)
OF_TRAINING = [Shot(name, nth) for name, passages in PASSAGES.items() for nth in passages] + [
    Shot(name, PASSAGES[name][-1], how) for name in SOME for how in (RAISE, STOP)
]
OF_THE_NIGHT = [
    pytest.param(Shot(name, passages[-1], how), marks=[pytest.mark.minutes, pytest.mark.nightly])
    for name, passages in PASSAGES.items()
    if name not in SOME
    for how in (RAISE, STOP)
]
#: The first shot of each pair creates the state that the second one needs.
OF_SWEEPING = [
    (Shot("version.file-written", 2, RAISE), Shot("version.unstaged", 1, KILL)),
    (Shot("version.file-written", 3, KILL), Shot("version.unstaged", 1, KILL)),
    (Shot("version.file-written", 3, KILL), Shot("version.unstaged", 1, RAISE)),
    (Shot("version.file-written", 3, KILL), Shot("version.unstaged", 1, STOP)),
]
OF_ROUNDS = Shot("inbox.published")
OF_HINTS = Shot("request-hint.repeated")
OF_STORING = [Shot(name) for name in ("request.room-made", "kept.part-written", "kept.replaced")]
OF_ENDING = [Shot(name) for name in ("request.left", "inbox.withdrawn")]
OF_CANCELLING = [Shot(name) for name in ("request.ended", "request.work-removed")]
OF_EXPIRING = Shot("request.forgotten")
OF_PRUNING = [Shot(name) for name in ("version.card-removed", "copies.card-removed")]


class Scene:
    """Two trainers, replaced after their death, and the points that are armed in them."""

    def __init__(self, school: School, points: Points) -> None:
        self.school, self.points = school, points
        self.trainers = school.trainers(2)

    def renew(self) -> None:
        """Restore the number of two trainers."""
        self.points.disarm()
        self.school.moments.reset()
        # A killed trainer cannot be waited for until its last thread has ended.
        self.trainers = [
            trainer for trainer in self.trainers if trainer.running and procfs.is_alive(trainer.pid)
        ]
        self.trainers += self.school.trainers(2 - len(self.trainers))

    def request_training(self, request: str) -> str:
        """Request a training with a seed of its own: files of equal content are copied once."""
        work = self.school.training(request)
        return self.school.ask(
            request, msgspec.structs.replace(work, seed=crc32(request.encode()) >> 1)
        )

    def fires_before_the_end(self, request: str) -> bool:
        """Wait until the armed point has fired or the request has an outcome."""

        def ended() -> bool:
            view = self.school.inbox.get(request)
            return view is not None and view.outcome is not None

        wait_for("the point or the outcome", lambda: self.points.victim() or ended())
        return self.points.victim() != 0

    def shoot(self, request: str, shot: Shot, number: int = -1) -> None:
        """Wait until it has fired. A suspended victim keeps its request, and goes on."""
        victim = self.points.wait(number)
        if shot.how == KILL:
            procfs.wait_for_end([victim])
        elif shot.how == STOP:
            wait_for("the stop", lambda: procfs.state(victim) == procfs.STOPPED)
            self.school.hint(request)
            time.sleep(SUSPENDED_S)
            procfs.go_on(victim)

    def check_outcome(self, request: str, shot: Shot) -> None:
        """One outcome, without error unless the shot raises; no incomplete version is left."""
        outcome = self.school.outcome(request)
        wait_for("the end of the work", lambda: not self._working(request))
        if outcome.ok:
            self.school.check_one_version(request, self.school.trained(request).model)
            return
        assert shot.how == RAISE, outcome.error
        assert "AsTheTestWants" in outcome.error
        assert "\n" not in outcome.error
        assert len(self.school.versions(request)) <= 1
        for folder in (self.school.store / request).glob("[0-9]*"):
            # Files may be left; pruning removes them after a day.
            assert not (folder / STAGED).exists(), "an incomplete version is left"

    def _working(self, request: str) -> bool:
        folder = self.school.folder(request)
        return folder.state is RequestState.RUNNING or folder.work.exists()


@pytest.fixture(scope="module")
def shared_scene(tmp_path_factory: pytest.TempPathFactory, server_binary: Path) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("points")
    shapes = draw_classes(folder / "shapes")
    points = Points(folder / "armed")
    with (
        RedisServer(server_binary) as server,
        Fleet(server, **TIMES, **points.settings) as fleet,
        closing(School(fleet, folder, shapes)) as school,
    ):
        yield Scene(school, points)


@pytest.fixture
def scene(shared_scene: Scene) -> Scene:
    shared_scene.renew()
    return shared_scene


def named(*shots: Shot) -> str:
    """The id of a request, which is also the name of its model."""
    return "-".join(str(shot).replace(".", "-") for shot in shots)


@pytest.mark.parametrize("shot", [*OF_TRAINING, *OF_THE_NIGHT], ids=str)
def test_a_trainer_at_any_point_makes_one_version_or_none(scene: Scene, shot: Shot) -> None:
    check_trained_once(scene, shot)


def check_trained_once(scene: Scene, shot: Shot) -> None:
    """Arm the point, request a training, and check its outcome.

    A trainer that takes a request stores it, unless a round of either trainer has stored it a
    moment before; then its later passages do not occur, and another request is made.
    """
    scene.points.arm(shot)
    for number in range(REQUESTS):
        request = scene.request_training(f"{named(shot)}-{number}")
        if scene.fires_before_the_end(request):
            break
    scene.shoot(request, shot)
    scene.check_outcome(request, shot)


@pytest.mark.parametrize("shots", OF_SWEEPING, ids=lambda shots: named(*shots))
def test_staged_files_are_swept_although_a_trainer_dies(
    scene: Scene, shots: tuple[Shot, Shot]
) -> None:
    scene.points.arm(*shots)
    request = scene.request_training(named(*shots))
    for number, shot in enumerate(shots):
        scene.shoot(request, shot, number)
    scene.check_outcome(request, shots[-1])


def test_damaged_decoded_data_is_replaced(scene: Scene) -> None:
    shot = Shot("stored.described")
    scene.points.arm(shot)
    request = scene.request_training("damaged")
    scene.points.wait(0)
    (about,) = scene.school.folder(request).work.glob("*/about.json")
    about.write_text("damaged")
    scene.shoot(request, shot)
    scene.check_outcome(request, shot)


def test_rounds_of_a_trainer_continue_although_one_dies(scene: Scene) -> None:
    shot = OF_ROUNDS
    scene.school.moments.hold("epoch-2")
    request = scene.request_training(named(shot))
    child = scene.school.moments.wait_for("epoch-2")
    scene.points.arm(shot)
    scene.school.fleet.client.flushall()  # the request must be copied again
    procfs.wait_for_end([scene.points.wait()])
    scene.renew()
    assert child
    scene.check_outcome(request, shot)


def test_a_lost_hint_is_repeated_although_a_trainer_dies(scene: Scene) -> None:
    scene.points.arm(OF_HINTS)
    request = Request(named(OF_HINTS), Rollback("no-such-model"), "tester@here", 1.0)
    scene.school.inbox.submit(request)
    procfs.wait_for_end([scene.points.wait()])
    scene.renew()
    assert "no-such-model" in scene.school.outcome(request.id).error


@pytest.mark.parametrize("shot", OF_STORING, ids=str)
def test_a_waiting_request_is_stored_although_a_trainer_dies(scene: Scene, shot: Shot) -> None:
    scene.school.moments.hold("loading")
    busy = [scene.request_training(f"{named(shot)}-busy-{n}") for n in range(2)]
    moments = scene.school.moments
    wait_for("both trainers", lambda: len({pid for pid, _ in moments.reached}) == 2)
    scene.points.arm(shot)
    request = scene.school.ask(f"{named(shot)}-waits", Rollback("no-such-model"))
    victim = scene.points.wait()
    assert victim in [trainer.pid for trainer in scene.trainers], (
        "the point did not fire in a round"
    )
    procfs.wait_for_end([victim])
    wait_for("a round of the other trainer", lambda: scene.school.folder(request).is_open)
    scene.school.fleet.client.flushall()
    scene.renew()
    assert "no-such-model" in scene.school.outcome(request).error
    for one in busy:
        scene.check_outcome(one, shot)


@pytest.mark.parametrize("shot", OF_ENDING, ids=str)
def test_a_trainer_may_die_while_it_leaves_its_work(scene: Scene, shot: Shot) -> None:
    scene.school.moments.hold("epoch-2")
    request = scene.request_training(named(shot))
    child = scene.school.moments.wait_for("epoch-2")
    trainer = next(one for one in scene.trainers if child in one.children)
    scene.points.arm(shot)
    trainer.signal(signal.SIGTERM)
    scene.school.moments.let_go("epoch-2")
    scene.shoot(request, shot)
    trainer.wait()
    scene.check_outcome(request, shot)
    epochs = scene.school.moments.epochs()
    assert epochs == sorted(set(epochs)), "an epoch that was finished was done again"


@pytest.mark.parametrize("shot", OF_CANCELLING, ids=str)
def test_a_cancelled_training_leaves_no_work_although_a_trainer_dies(
    scene: Scene, shot: Shot
) -> None:
    scene.school.moments.hold("epoch-2")
    request = scene.request_training(f"cancelled-{named(shot)}")
    scene.school.moments.wait_for("epoch-2")
    scene.points.arm(shot)
    scene.school.cancel(request)
    scene.school.moments.let_go("epoch-2")
    scene.points.wait()
    scene.renew()
    folder = scene.school.folder(request)
    wait_for("the end", lambda: folder.is_cancelled and not folder.work.exists())
    assert scene.school.look(request).state is RequestState.CANCELLED
    assert scene.school.versions(request) == []


def test_expired_requests_are_removed_although_a_trainer_dies(scene: Scene) -> None:
    shot, store = OF_EXPIRING, scene.school.store
    scene.points.arm(shot)
    for number in range(2):
        request = Request(f"{named(shot)}-{number}", Rollback("no-such-model"), "tester@here", 1.0)
        folder = stored_requests.keep(store, request)
        folder.cancel()
        os.utime(folder.path, (0, 0))
    victim = scene.points.wait()
    procfs.wait_for_end([victim])
    scene.renew()
    old = (store / request_store.FOLDER).glob(f"{named(shot)}-*")
    wait_for("the removal of both", lambda: not list(old))
    scene.check_outcome(scene.request_training(named(shot)), shot)


@pytest.mark.parametrize("shot", OF_PRUNING, ids=str)
def test_a_pruned_version_is_removed_whole_although_a_trainer_dies(
    scene: Scene, shot: Shot
) -> None:
    name = named(shot)
    for number in (1, 2, 3):  # version 2 is kept for a rollback
        scene.school.ask(f"{name}-{number}", scene.school.training(name))
        scene.school.trained(f"{name}-{number}")
    scene.points.arm(shot)
    request = scene.school.ask(f"prune-{name}", Remove(name, keep=1))
    scene.shoot(request, shot)
    scene.school.outcome(request)
    assert scene.school.registry.versions(name) == [2, 3]
    scene.school.versions(name)
    again = scene.school.ask(f"prune-{name}-again", Remove(name, keep=1))
    assert scene.school.outcome(again).ok
    wait_for("the copies", lambda: _copies(scene, name) == 2)


def _copies(scene: Scene, name: str) -> int:
    return len(scene.school.fleet.client.keys(f"hangtag:3:model:{name}:*"))
