"""`hangtag up --workers` during a job: more, fewer or by backlog; nothing is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from producer.machine import stack
from producer.machine.stack import Stack
from shared.errors import Exit
from tests.support.jobs.claims import Held, catch
from tests.support.jobs.long_job import LongJob, Recorder
from tests.support.processes import in_process, local_stack, procfs
from tests.support.processes.fleet import PRODUCT_PROGRAM, ROOT, Producer, wait_for
from tests.support.processes.local_stack import Place

#: Thirty batches, of which a test holds six at most.
IMAGES, BATCH = 960, 32
LONGER_THAN_A_HEARTBEAT_S = 5.0


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> LongJob:
    return LongJob(tmp_path_factory.mktemp("job"), IMAGES)


@pytest.fixture
def place() -> Iterator[Place]:
    yield from local_stack.new()


class Scene:
    """A stack, and commands that use it."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.folder = place, folder
        self.output = folder / "out.csv"

    @property
    def environment(self) -> dict[str, str]:
        """That of a command that uses the stack."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HANGTAG_")}
        ours = {"PYTHONPATH": str(ROOT), "HANGTAG_BATCH_IMAGES": str(BATCH)}
        return {**inherited, **self.place.environment, **ours}

    def up(self, workers: str) -> Stack:
        """Run `hangtag up --workers ...`; return its output."""
        arguments = ("up", "--workers", workers, "--json")
        command = in_process.run_with(self.environment, *arguments, cwd=ROOT)
        assert command.code == Exit.OK, command.story
        return msgspec.json.decode(command.out, type=Stack)

    def classify(self, job: LongJob) -> Producer:
        """Start the job."""
        arguments = ("classify", "pictures", "-o", str(self.output))
        files = self.folder / "producer"
        return Producer(arguments, job.cwd, self.environment, files, PRODUCT_PROGRAM)

    def check_finished(self, producer: Producer, job: LongJob) -> None:
        """Check that the job succeeded and wrote the expected bytes."""
        assert producer.wait() == 0, producer.story
        assert self.output.read_bytes() == job.table

    def catch(self, *caught: Held) -> Held:
        """Suspend another busy child of the worker; the rest of them wait until it is, so that they
        leave work for it."""

        def others() -> list[int]:
            found = [child for beat in self.place.alive() for child in beat.children]
            pids = [int(child.partition(":")[0]) for child in found]
            return [pid for pid in pids if pid not in {held.child for held in caught}]

        pid, *rest = wait_for("children", others)
        for other in rest:
            procfs.stop(other)
        try:
            return catch(self.place.client(), [pid])
        finally:
            for other in rest:
                procfs.go_on(other)

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
    """All children are suspended with a batch while their number changes."""
    scene.up("1")
    scene.wait_for_children(1)
    worker, recorder = scene.place.the("worker"), Recorder(scene.place.client())
    producer = scene.classify(job)
    producer.wait_until_done(1)
    held = [scene.catch()]
    found = scene.up("3")
    assert (found.floor, found.ceiling) == (3, 3)
    scene.wait_for_children(3)
    held += [scene.catch(*held)]
    held += [scene.catch(*held)]
    scene.up("2")
    time.sleep(LONGER_THAN_A_HEARTBEAT_S)
    assert scene.place.children() == 3, "a child was ended with a batch"
    for one in held:
        procfs.go_on(one.child)
    scene.wait_for_children(2)
    scene.check_finished(producer, job)
    assert scene.place.the("worker") == worker
    work = recorder.work()
    assert len(work) == -(-IMAGES // BATCH)
    assert {n: one for n, one in work.items() if not one.in_one_go} == {}


@pytest.mark.nightly
def test_a_supervisor_killed_while_scaling_is_replaced_and_reaches_the_new_number(
    scene: Scene, job: LongJob
) -> None:
    scene.up("1")
    scene.wait_for_children(1)
    producer = scene.classify(job)
    producer.wait_until_done(1)
    scene.catch()
    scene.up("3")
    scene.wait_for_children(3)
    before = [pid for pid in scene.place.processes() if pid != producer.pid]
    scene.place.killed("supervisor")
    procfs.wait_for_end(before)
    scene.wait_for_children(3)  # the producer has started the stack again
    scene.check_finished(producer, job)


def test_the_number_follows_the_backlog_between_its_bounds(scene: Scene, job: LongJob) -> None:
    found = scene.up("auto:0-3")
    assert (found.floor, found.ceiling, found.now) == (0, 3, 0)
    time.sleep(2)
    assert scene.place.parents("worker") == []
    producer = scene.classify(job)
    held = scene.catch()
    other = scene.catch(held)  # the backlog of four batches requests two children
    scene.wait_for_children(3)
    for one in (held, other):
        procfs.go_on(one.child)
    scene.check_finished(producer, job)
    wait_for("no worker", lambda: not scene.place.parents("worker"))
    assert stack.describe(scene.place.settings).now == 0
