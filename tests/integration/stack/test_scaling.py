"""`hangtag up --workers` during a job: more, fewer or by backlog; nothing is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from producer.stack import stack
from producer.stack.stack import Stack
from tests.support.jobs.claims import Held, catch
from tests.support.jobs.long_job import LongJob, Recorder
from tests.support.processes import local_stack, procfs
from tests.support.processes.fleet import ROOT, Producer, wait_for
from tests.support.processes.local_stack import Place

IMAGES = 2_000
#: Enough to hold at most two busy children.
FEWER_IMAGES = 960
BATCH = 32
LONGER_THAN_A_HEARTBEAT_S = 5.0


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> LongJob:
    return LongJob(tmp_path_factory.mktemp("job"), IMAGES)


@pytest.fixture(scope="module")
def shorter(tmp_path_factory: pytest.TempPathFactory) -> LongJob:
    return LongJob(tmp_path_factory.mktemp("shorter"), FEWER_IMAGES)


@pytest.fixture
def place() -> Iterator[Place]:
    yield from local_stack.new()


class Scene:
    """A stack, and commands that use it."""

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

    def up(self, workers: str) -> Stack:
        """Run `hangtag up --workers ...`; return its output."""
        command = self.hangtag("up", "--workers", workers, "--json")
        assert command.wait() == 0, command.story
        return msgspec.json.decode(command.out, type=Stack)

    def classify(self, job: LongJob) -> Producer:
        """Start the job."""
        return self.hangtag("classify", "pictures", "-o", str(self.output), cwd=job.cwd)

    def check_finished(self, producer: Producer, job: LongJob) -> None:
        """Check that the job succeeded and wrote the expected bytes."""
        assert producer.wait() == 0, producer.story
        assert self.output.read_bytes() == job.table

    def catch(self, *caught: Held) -> Held:
        """Suspend another busy child of the newest worker."""

        def newest() -> list[int]:
            # By its heartbeat: a worker that starts has another child, which tries its imports.
            beats = self.place.alive()
            found = max(beats, key=lambda beat: beat.since_ms).children if beats else []
            pids = [int(child.partition(":")[0]) for child in found]
            return [pid for pid in pids if pid not in {held.child for held in caught}]

        return catch(self.place.client(), wait_for("children", newest))

    def wait_for_worker(self, children: int) -> None:
        """Wait for a worker with this number of children; others may be ending."""

        def scaled() -> bool:
            return children in [len(beat.children) for beat in self.place.alive()]

        wait_for(f"a worker with {children} children", scaled)

    def wait_for_children(self, wanted: int) -> None:
        """Wait until there is a single worker, with this number of children."""

        def scaled() -> bool:
            return [len(beat.children) for beat in self.place.alive()] == [wanted]

        wait_for(f"{wanted} children", scaled)
        wait_for("one worker", lambda: len(self.place.parents("worker")) == 1)


@pytest.fixture
def scene(place: Place, tmp_path: Path) -> Scene:
    return Scene(place, tmp_path)


def test_scaling_up_and_down_beside_a_job_loses_and_repeats_nothing(
    scene: Scene, job: LongJob
) -> None:
    """All children are suspended with a batch until the next worker is ready, so that even a fast
    machine leaves work for it.
    """
    scene.up("1")
    scene.wait_for_children(1)
    recorder = Recorder(scene.place.client())
    producer = scene.classify(job)
    producer.wait_until_done(100)
    held = [scene.catch()]
    for workers, caught in ((4, 4), (2, 1)):
        found = scene.up(str(workers))
        assert (found.floor, found.ceiling) == (workers, workers)
        scene.wait_for_worker(workers)
        for _ in range(caught):
            held.append(scene.catch(*held))
    assert len({one.parent for one in held}) == 3
    time.sleep(LONGER_THAN_A_HEARTBEAT_S)
    assert len(scene.place.parents("worker")) == 3, "a worker did not wait for its child"
    for one in held:
        procfs.go_on(one.child)
    scene.check_finished(producer, job)
    scene.wait_for_children(2)
    work = recorder.work()
    assert len(work) == -(-IMAGES // BATCH)
    assert {n: one for n, one in work.items() if not one.in_one_go} == {}


def test_the_last_of_several_quick_calls_counts(scene: Scene) -> None:
    scene.up("2")
    scene.wait_for_children(2)
    for workers in (1, 5, 2, 7):
        stack.up(scene.place.settings, workers)
        time.sleep(0.2)
    scene.wait_for_children(7)
    assert stack.describe(scene.place.settings).now == 7
    scene.place.assert_one_of_each()


def test_a_supervisor_killed_while_scaling_is_replaced_and_reaches_the_new_number(
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
    scene.wait_for_children(3)  # the producer has started the stack again
    scene.check_finished(producer, shorter)


def test_the_number_follows_the_backlog_between_its_bounds(scene: Scene, shorter: LongJob) -> None:
    found = scene.up("auto:0-3")
    assert (found.floor, found.ceiling, found.now) == (0, 3, 0)
    time.sleep(2)
    assert scene.place.parents("worker") == []
    producer = scene.classify(shorter)
    held = scene.catch()
    other = scene.catch(held)  # the backlog of four batches requests two children
    scene.wait_for_worker(3)
    for one in (held, other):
        procfs.go_on(one.child)
    scene.check_finished(producer, shorter)
    wait_for("no worker", lambda: not scene.place.parents("worker"))
    assert stack.describe(scene.place.settings).now == 0
