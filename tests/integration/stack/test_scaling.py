"""`hangtag up --workers` while a job runs: more, fewer, or as the backlog asks; nothing is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from producer.stack import stack
from producer.stack.stack import Stack
from shared.process import started
from tests.support.jobs.claims import Held, catch
from tests.support.jobs.long_job import LongJob, Recorder
from tests.support.processes import local_stack, procfs
from tests.support.processes.fleet import ROOT, Producer, wait_for
from tests.support.processes.local_stack import Place

PICTURES = 2_000
#: Enough where two children at most are to be met at work.
FEWER = 960
BATCH = 32
LONGER_THAN_A_HEARTBEAT_S = 3.0


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> LongJob:
    return LongJob(tmp_path_factory.mktemp("job"), PICTURES)


@pytest.fixture(scope="module")
def shorter(tmp_path_factory: pytest.TempPathFactory) -> LongJob:
    return LongJob(tmp_path_factory.mktemp("shorter"), FEWER)


@pytest.fixture
def place() -> Iterator[Place]:
    yield from local_stack.new()


class Scene:
    """A stack, and commands that are given it."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.folder = place, folder
        self.output = folder / "out.csv"
        self._count = 0

    def hangtag(self, *arguments: str, cwd: Path = ROOT) -> Producer:
        self._count += 1
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HANGTAG_")}
        env = {**inherited, "PYTHONPATH": str(ROOT), **self.place.environment}
        env["HANGTAG_BATCH_IMAGES"] = str(BATCH)
        files = self.folder / str(self._count)
        return Producer(arguments, cwd, env, files, ("producer.cli",))

    def up(self, workers: str) -> tuple[Stack, float]:
        """`hangtag up --workers ...`: what it says, and how long it took to say it, in seconds."""
        begun = time.monotonic()
        command = self.hangtag("up", "--workers", workers, "--json")
        assert command.wait() == 0, command.story
        return msgspec.json.decode(command.out, type=Stack), time.monotonic() - begun

    def classify(self, job: LongJob) -> Producer:
        """The job, begun."""
        return self.hangtag("classify", "pictures", "-o", str(self.output), cwd=job.cwd)

    def check_finished(self, producer: Producer, job: LongJob) -> None:
        """It ended well, with these bytes."""
        assert producer.wait() == 0, producer.story
        assert self.output.read_bytes() == job.table

    def catch(self, *caught: Held) -> Held:
        """Stop another child of the newest worker that has a batch in hand."""

        def newest() -> list[int]:
            parents = self.place.parents("worker")
            found = procfs.children(max(parents, key=started)) if parents else []
            return [pid for pid in found if pid not in {held.child for held in caught}]

        return catch(self.place.client(), wait_for("children", newest))

    def wait_for_worker(self, children: int) -> None:
        """Until there is a worker with so many children, maybe beside others that end."""

        def look() -> bool:
            return children in [len(beat.children) for beat in self.place.alive()]

        wait_for(f"a worker with {children} children", look)

    def wait_for_children(self, wanted: int) -> None:
        """Until there is one worker, with so many children."""

        def look() -> bool:
            return [len(beat.children) for beat in self.place.alive()] == [wanted]

        wait_for(f"{wanted} children", look)
        wait_for("one worker", lambda: len(self.place.parents("worker")) == 1)


@pytest.fixture
def scene(place: Place, tmp_path: Path) -> Scene:
    return Scene(place, tmp_path)


def test_scaling_up_and_down_beside_a_job_loses_and_repeats_nothing(
    scene: Scene, job: LongJob
) -> None:
    """All children are held with a batch in hand until the next worker is there, so that no
    machine is quick enough to leave it none.
    """
    scene.up("1")
    scene.wait_for_children(1)
    recorder = Recorder(scene.place.client())
    producer = scene.classify(job)
    producer.wait_until_done(100)
    held = [scene.catch()]
    for workers, caught in ((4, 4), (2, 1)):
        found, took_s = scene.up(str(workers))
        assert (found.floor, found.ceiling) == (workers, workers)
        assert took_s < 10
        scene.wait_for_worker(workers)
        for _ in range(caught):
            held.append(scene.catch(*held))
    assert len({one.parent for one in held}) == 3
    time.sleep(LONGER_THAN_A_HEARTBEAT_S)
    assert len(scene.place.parents("worker")) == 3, "one did not wait for its child"
    for one in held:
        procfs.go_on(one.child)
    scene.check_finished(producer, job)
    scene.wait_for_children(2)
    work = recorder.work()
    assert len(work) == -(-PICTURES // BATCH)
    assert {n: one for n, one in work.items() if not one.in_one_go} == {}


def test_of_calls_in_quick_succession_the_last_one_counts(scene: Scene) -> None:
    scene.up("2")
    scene.wait_for_children(2)
    for workers in (1, 5, 2, 7):
        stack.up(scene.place.settings, workers)
        time.sleep(0.2)
    scene.wait_for_children(7)
    assert stack.describe(scene.place.settings).now == 7
    scene.place.assert_one_of_each()


def test_a_supervisor_that_dies_between_two_numbers_is_replaced_and_has_the_new_one(
    scene: Scene, shorter: LongJob
) -> None:
    scene.up("1")
    scene.wait_for_children(1)
    producer = scene.classify(shorter)
    producer.wait_until_done(100)
    scene.catch()
    scene.up("3")
    wait_for("two workers", lambda: len(scene.place.parents("worker")) == 2)
    before = [pid for pid in scene.place.processes() if pid != producer.pid]
    scene.place.killed("supervisor")
    procfs.wait_for_end(before)
    scene.wait_for_children(3)  # the producer has asked for the stack
    scene.check_finished(producer, shorter)


def test_the_number_follows_the_backlog_between_its_bounds(scene: Scene, shorter: LongJob) -> None:
    found, _ = scene.up("auto:0-3")
    assert (found.floor, found.ceiling, found.now) == (0, 3, 0)
    time.sleep(2)
    assert scene.place.parents("worker") == []
    producer = scene.classify(shorter)
    held = scene.catch()
    other = scene.catch(held)  # there are two, since four batches wait
    scene.wait_for_worker(3)
    for one in (held, other):
        procfs.go_on(one.child)
    scene.check_finished(producer, shorter)
    wait_for("no worker", lambda: not scene.place.parents("worker"))
    assert stack.describe(scene.place.settings).now == 0
