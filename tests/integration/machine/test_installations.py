"""A stack whose commands come from several environments runs in the one with the most packages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from producer.machine import stack
from producer.trainer.client import make_request
from producer.trainer.existing import open_requests
from producer.trainer.submit import submit
from shared.ledger import request_store
from shared.ledger.request_store import RequestState
from shared.messages.replies import Evaluated, Trained
from shared.messages.training import Train
from shared.registry.registry import Registry
from tests.support.images import class_folders, drawn_folders
from tests.support.jobs import stored_requests
from tests.support.jobs.claims import catch
from tests.support.jobs.long_job import LongJob, Recorder
from tests.support.processes import local_stack, procfs
from tests.support.processes.fleet import wait_for
from tests.support.processes.installations import Installation
from tests.support.processes.local_stack import TRAINER, Place

PHOTOS_OF_CLASS = 12
#: Label numbers of the shipped version.
LABELS, IMAGES_PER_CLASS = (8, 0, 5), 12
#: Twelve batches, of which a test holds one.
IMAGES, BATCH = 384, 32


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An environment that cannot train."""
    return Installation(tmp_path_factory.mktemp("bare") / "env")


@pytest.fixture
def place() -> Iterator[Place]:
    """A folder without a stack; all processes started in it are ended afterwards."""
    yield from local_stack.new(workers=False)


def up(installation: Installation, place: Place, workers: str = "auto:0-1") -> stack.Stack:
    """A stack that this installation starts; by default it has workers only for a backlog."""
    done = installation.hangtag("up", "--workers", workers, "--json", env=place.environment)
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=stack.Stack)


def python_of(pid: int) -> str:
    """The interpreter in the command line of a process."""
    return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0])


def test_workers_finish_their_batches_before_those_of_a_richer_environment_replace_them(
    place: Place, bare: Installation, tmp_path: Path
) -> None:
    first, job = up(bare, place, "1"), LongJob(tmp_path, IMAGES)
    wait_for("a worker", place.alive)
    assert python_of(place.the("worker")) == str(bare.python)
    recorder, output = Recorder(place.client()), tmp_path / "out.csv"
    producer = subprocess.Popen(
        [bare.python, "-m", "producer.cli", "classify", "pictures", "-o", output],
        env={**os.environ, **place.environment, "HANGTAG_BATCH_IMAGES": str(BATCH)},
        cwd=job.cwd,
    )
    (beat,) = place.alive()
    held = catch(place.client(), [int(child.partition(":")[0]) for child in beat.children])
    stack.ensure(place.settings)
    procfs.go_on(held.child)
    assert producer.wait(100) == 0
    assert output.read_bytes() == job.table
    assert {n: one for n, one in recorder.work().items() if not one.in_one_go} == {}
    wait_for("the other worker", lambda: _pythons(place) == {sys.executable})
    again = up(bare, place, "1")
    assert (again.pid, python_of(place.the("worker"))) == (first.pid, sys.executable)


def _pythons(place: Place) -> set[str]:
    return {python_of(pid) for pid in place.parents("worker")}


@pytest.mark.trains
def test_a_training_is_done_by_the_environment_that_can_train(
    place: Place, bare: Installation, tmp_path: Path
) -> None:
    for number, label in enumerate(("bag", "shoe")):
        class_folders.fill(tmp_path / label, PHOTOS_OF_CLASS, 100 * number)
    up(bare, place)
    work = Train("mine", "tutorial", str(tmp_path), epochs=1)
    submit(place.settings, make_request(work, "r1"), wait=False)
    followed = bare.hangtag("train", "--follow", "r1", "--json", env=place.environment)
    assert followed.returncode == 0, followed.stderr
    assert msgspec.json.decode(followed.stdout, type=Trained).model == "mine@1"
    assert list(Registry(place.settings.store_path).versions("mine")) == [1]


def test_a_request_waits_for_an_environment_that_can_do_it(
    place: Place, bare: Installation
) -> None:
    store = place.settings.store_path
    stored_requests.keep_on_stack(place.settings, make_request(Train("mine", "nope"), "t1"))
    up(bare, place)
    refused = bare.hangtag("train", "--follow", "t1", env=place.environment)
    assert refused.returncode == 1
    assert "keras" in refused.stderr
    assert [one.state for one in open_requests(place.settings)] == [RequestState.WAITING]
    assert not place.parents(TRAINER)
    stack.ensure(place.settings)
    wait_for("its outcome", lambda: stored_requests.outcome(store, "t1"), 100)


def test_an_installation_that_cannot_train_refuses_at_once(
    place: Place, bare: Installation
) -> None:
    done = bare.hangtag("train", "--data", "fashion-mnist", "--detach", env=place.environment)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "matplotlib, keras and tensorflow are missing" in line
    assert str(bare.python) in line
    assert request_store.open_requests(place.settings.store_path) == []


def test_a_version_can_be_evaluated_without_matplotlib(
    place: Place, bare: Installation, tmp_path: Path
) -> None:
    data = drawn_folders.draw(tmp_path / "drawn", LABELS, IMAGES_PER_CLASS)
    command = ("models", "evaluate", "fashion-mnist", "--data", str(data), "--quiet", "--json")
    up(bare, place)
    done = bare.hangtag(*command, env=place.environment)
    assert done.returncode == 0, done.stderr
    found = msgspec.json.decode(done.stdout, type=Evaluated)
    assert found.evaluation.count == len(LABELS) * IMAGES_PER_CLASS
    assert found.evaluation.accuracy == pytest.approx(drawn_folders.counted(data, LABELS)[0])
    refused = bare.hangtag(*command, "--pictures", "here", env=place.environment)
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert "matplotlib is missing" in line
    stored = list((place.settings.store_path / request_store.FOLDER).glob("*/"))
    assert len(stored) == 1, "the second was queued"
