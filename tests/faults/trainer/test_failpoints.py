"""A trainer's child or parent ends, fails or sleeps at each of its crash points."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zlib import crc32

import msgspec
import pytest

from shared.ledger.request_states import RequestState
from shared.messages.requests import Prune, Rollback
from shared.registry.version_folder import STAGED
from tests.support.failpoints.armed import KILL, RAISE, STOP, WAYS, Points, Shot
from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet, wait_for
from tests.support.processes.trainers import TIMES, School, draw_classes
from tests.support.servers.redis_server import RedisServer

pytestmark = pytest.mark.points

APP = "tests.faults.apps.failpoint_trainer"
ASLEEP_S = 1.5
#: Point -> the passages at which a child that trains dies. At the last one it may also fail, or
#: sleep past its lease.
PASSAGES: dict[str, tuple[int, ...]] = {
    "requests.claim": (1,),
    "request.entered": (1,),
    "kept.part-written": (1, 2),
    "kept.replaced": (1, 2),
    "request.began": (1,),
    "stored.begun": (1,),
    "stored.split": (1,),
    "stored.described": (1,),
    "stored.placed": (1,),
    "requests.renew": (1, 2),
    "checkpoint.written": (1, 2),
    "checkpoint.placed": (2,),
    "version.number-taken": (1,),
    "version.file-written": (1, 2),
    "version.appeared": (1,),
    "aliases.appended": (1,),
    "copies.file-put": (1,),
    "copies.sizes-put": (1,),
    "copies.card-put": (1,),
    "copies.aliases-put": (1,),
    "copies.picture-put": (1,),
    "request.answer-placed": (1,),
    "request.work-removed": (1,),
    "requests.finish": (1,),
}
#: Where a child fails and sleeps here; at all others that takes minutes, in tests/slow/.
SOME = (
    "requests.claim",
    "request.entered",
    "stored.placed",
    "requests.renew",
    "checkpoint.written",
    "version.file-written",
    "version.appeared",
    "aliases.appended",
    "copies.card-put",
    "request.answer-placed",
)
OF_TRAINING = [Shot(name, nth) for name, passages in PASSAGES.items() for nth in passages] + [
    Shot(name, PASSAGES[name][-1], how) for name in SOME for how in (RAISE, STOP)
]
#: Who sleeps there holds the store's lock: the others wait for it to wake.
UNDER_LOCK = {"request.answer-placed"}
#: The first shot of each brings about what the second one is about.
OF_SWEEPING = [
    (Shot("version.file-written", 2, RAISE), Shot("version.unstaged", 1, KILL)),
    (Shot("version.file-written", 3, KILL), Shot("version.unstaged", 1, KILL)),
    (Shot("version.file-written", 3, KILL), Shot("version.unstaged", 1, RAISE)),
    (Shot("version.file-written", 3, KILL), Shot("version.unstaged", 1, STOP)),
]
OF_DAMAGED_DATA = [Shot("stored.damaged-moved", 1, how) for how in WAYS]
OF_ROUNDS = [Shot(name, 1, how) for name in ("requests.survey", "request-hint.repeated",
             "requests.submit") for how in WAYS]  # fmt: skip
OF_KEEPING = [Shot("request.room-made", 1, how) for how in WAYS] + [
    Shot(name) for name in ("kept.part-written", "kept.replaced")
]
OF_ENDING = [Shot("requests.release", 1, how) for how in WAYS]
OF_CANCELLING = [Shot("request.forgotten", 1, how) for how in WAYS]
OF_PRUNING = [Shot(name, 1, how) for name in ("version.card-removed", "copies.card-removed")
              for how in WAYS]  # fmt: skip


class Scene:
    """Two trainers, one of which is replaced when it has died, and what is armed in them."""

    def __init__(self, school: School, points: Points) -> None:
        self.school, self.points = school, points
        self.trainers = school.trainers(2, APP)

    def renew(self) -> None:
        """Have two trainers again."""
        self.points.disarm()
        self.school.moments.reset()
        self.trainers = [one for one in self.trainers if one.running]
        self.trainers += self.school.trainers(2 - len(self.trainers), APP)

    def ask(self, request: str) -> str:
        """Have a model of this name trained, unlike any before: what is the same is put once."""
        work = self.school.training(request)
        return self.school.ask(
            request, msgspec.structs.replace(work, seed=crc32(request.encode()) >> 1)
        )

    def shoot(self, request: str, shot: Shot, number: int = -1) -> None:
        """Wait until it has fired. Of who died the lease ends, and who sleeps outsleeps it."""
        victim = self.points.wait(number)
        if shot.how == KILL:
            procfs.wait_for_end([victim])
            self._expire(request)
        elif shot.how == STOP:
            self._outsleep(victim, request, shot.name)

    def _outsleep(self, victim: int, request: str, name: str) -> None:
        wait_for("the stop", lambda: procfs.state(victim) == procfs.STOPPED)
        if any(victim == one.pid for one in self.trainers):
            time.sleep(ASLEEP_S)
            procfs.go_on(victim)
        elif name in UNDER_LOCK:
            self._expire(request)
            time.sleep(ASLEEP_S)
            procfs.go_on(victim)
            procfs.wait_for_end([victim])
        else:
            self._expire(request)
            self.school.outcome(request)
            procfs.go_on(victim)
            procfs.wait_for_end([victim])

    def _expire(self, request: str) -> None:
        if (view := self.school.requests.get(request)) and view.state is RequestState.RUNNING:
            self.school.expire(request)

    def check_answered(self, request: str, shot: Shot) -> None:
        """Once, and well unless something failed: then no half version is left."""
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
            # Files may be left: pruning clears them away after a day. A version it never becomes.
            assert not (folder / STAGED).exists(), "half a version is left"

    def _working(self, request: str) -> bool:
        view = self.school.look(request)
        return view.state is RequestState.RUNNING or self.school.folder(request).work.exists()


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
    """The id of a request, and the name of its model."""
    return "-".join(str(shot).replace(".", "-") for shot in shots)


@pytest.mark.parametrize("shot", OF_TRAINING, ids=str)
def test_a_trainer_at_any_point_makes_one_version_or_none(scene: Scene, shot: Shot) -> None:
    check_trained_once(scene, shot)


def check_trained_once(scene: Scene, shot: Shot) -> None:
    """Arm the point, ask for a training, and see what comes of it."""
    scene.points.arm(shot)
    request = scene.ask(named(shot))
    scene.shoot(request, shot)
    scene.check_answered(request, shot)


@pytest.mark.parametrize("shots", OF_SWEEPING, ids=lambda shots: named(*shots))
def test_what_is_staged_for_a_version_is_swept_whoever_dies_of_it(
    scene: Scene, shots: tuple[Shot, Shot]
) -> None:
    scene.points.arm(*shots)
    request = scene.ask(named(*shots))
    for number, shot in enumerate(shots):
        scene.shoot(request, shot, number)
    scene.check_answered(request, shots[-1])


@pytest.mark.parametrize("shot", OF_DAMAGED_DATA, ids=str)
def test_decoded_data_that_is_damaged_makes_room(scene: Scene, shot: Shot) -> None:
    scene.points.arm(Shot("stored.placed"), shot)
    request = scene.ask(named(shot))
    scene.points.wait(0)
    (about,) = scene.school.folder(request).work.glob("*/about.json")
    about.write_text("damaged")
    scene.shoot(request, Shot("stored.placed"), 0)
    scene.shoot(request, shot)
    scene.check_answered(request, shot)


@pytest.mark.parametrize("shot", OF_ROUNDS, ids=str)
def test_rounds_of_a_trainer_go_on_whoever_dies_of_them(scene: Scene, shot: Shot) -> None:
    scene.school.moments.hold("epoch-2")
    request = scene.ask(named(shot))
    child = scene.school.moments.wait_for("epoch-2")
    scene.points.arm(shot)
    scene.school.fleet.client.flushall()  # so that it is handed in again, and hinted at
    victim = scene.points.wait()
    if shot.how == STOP:
        time.sleep(ASLEEP_S)
        procfs.go_on(victim)
    elif shot.how == KILL:
        procfs.wait_for_end([victim])
    scene.renew()
    assert child
    scene.check_answered(request, Shot(shot.name, 1, KILL))


@pytest.mark.parametrize("shot", OF_KEEPING, ids=str)
def test_what_waits_is_kept_whoever_dies_of_keeping_it(scene: Scene, shot: Shot) -> None:
    scene.school.moments.hold("loading")
    busy = [scene.ask(f"{named(shot)}-busy-{n}") for n in range(2)]
    moments = scene.school.moments
    wait_for("both trainers", lambda: len({pid for pid, _ in moments.reached}) == 2)
    scene.points.arm(shot)
    request = scene.school.ask(f"{named(shot)}-waits", Rollback("no-such-model"))
    victim = scene.points.wait()
    assert victim in [one.pid for one in scene.trainers], "it was no round"
    if shot.how == STOP:
        time.sleep(ASLEEP_S)
        procfs.go_on(victim)
    elif shot.how == KILL:
        procfs.wait_for_end([victim])
    wait_for("the other's round", lambda: scene.school.folder(request).request())
    scene.school.fleet.client.flushall()
    scene.renew()
    assert "no-such-model" in scene.school.outcome(request).error
    for one in busy:
        scene.check_answered(one, Shot(shot.name, 1, KILL))


@pytest.mark.parametrize("shot", OF_ENDING, ids=str)
def test_a_trainer_that_gives_its_work_back_may_die_of_it(scene: Scene, shot: Shot) -> None:
    scene.school.moments.hold("epoch-2")
    request = scene.ask(named(shot))
    child = scene.school.moments.wait_for("epoch-2")
    trainer = next(one for one in scene.trainers if child in one.children)
    scene.points.arm(shot)
    trainer.signal(signal.SIGTERM)
    scene.school.moments.let_go("epoch-2")
    scene.shoot(request, shot)
    trainer.wait()
    scene.check_answered(request, Shot(shot.name, 1, KILL))
    epochs = scene.school.moments.epochs()
    assert epochs == sorted(set(epochs)), "an epoch that was finished was done again"


@pytest.mark.parametrize("shot", OF_CANCELLING, ids=str)
def test_a_cancelled_training_leaves_nothing_whoever_dies_of_it(scene: Scene, shot: Shot) -> None:
    scene.school.moments.hold("epoch-2")
    request = scene.ask(named(shot))
    scene.school.moments.wait_for("epoch-2")
    scene.points.arm(shot)
    assert scene.school.requests.cancel(request)
    scene.school.moments.let_go("epoch-2")
    victim = scene.points.wait()
    if shot.how == STOP:
        time.sleep(ASLEEP_S)
        procfs.go_on(victim)
    wait_for("the end", lambda: not scene.school.folder(request).work.parent.exists())
    assert scene.school.look(request).state is RequestState.CANCELLED
    assert scene.school.versions(request) == []


@pytest.mark.parametrize("shot", OF_PRUNING, ids=str)
def test_a_version_that_is_pruned_goes_whole_whoever_dies_of_it(scene: Scene, shot: Shot) -> None:
    name = named(shot)
    for number in (1, 2, 3):  # the last but one stays, for a rollback
        scene.school.ask(f"{name}-{number}", scene.school.training(name))
        scene.school.trained(f"{name}-{number}")
    scene.points.arm(shot)
    request = scene.school.ask(f"prune-{name}", Prune(name, keep=1))
    scene.shoot(request, shot)
    scene.school.outcome(request)
    assert scene.school.registry.versions(name) == [2, 3]
    scene.school.versions(name)
    again = scene.school.ask(f"prune-{name}-again", Prune(name, keep=1))
    assert scene.school.outcome(again).ok
    wait_for("the copies", lambda: _copies(scene, name) == 2)


def _copies(scene: Scene, name: str) -> int:
    return len(scene.school.fleet.client.keys(f"hangtag:model:{name}:*"))
