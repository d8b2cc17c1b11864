"""A stack belongs to an installation; another installation has its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.jobs import cancel
from producer.journal.snapshot import JobState, read_snapshot
from producer.requests.client import make_request
from producer.requests.submit import submit
from producer.stack import other_stacks, stack
from shared.broker.runtime_paths import private_stack_dir, socket_path, stack_id
from shared.installation import NAME_CHARS
from shared.ledger import request_store
from shared.messages.replies import Evaluated, Trained
from shared.messages.training import Train
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.images import class_folders, drawn_folders
from tests.support.processes import local_stack
from tests.support.processes.fleet import wait_for
from tests.support.processes.installations import Installation
from tests.support.processes.local_stack import Place

PHOTOS_OF_CLASS = 12
#: Label numbers of the shipped version.
LABELS, IMAGES_PER_CLASS = (8, 0, 5), 12
JOB_IMAGES = 4_000


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An environment without the training extra."""
    return Installation(tmp_path_factory.mktemp("bare") / "env")


@pytest.fixture
def place() -> Iterator[Place]:
    """A folder without a stack; all processes started in it are ended afterwards."""
    yield from local_stack.new(workers=False)


def up(installation: Installation, place: Place) -> stack.Stack:
    """A stack that has workers only for a backlog."""
    done = installation.hangtag("up", "--workers", "auto:0-1", "--json", env=place.environment)
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=stack.Stack)


@contextmanager
def running(installation: Installation, place: Place) -> Iterator[stack.Stack]:
    """The same, within the block."""
    theirs = up(installation, place)
    try:
        yield theirs
    finally:
        stack.down(stack_of(place, theirs))


def test_two_installations_have_two_stacks(place: Place, bare: Installation) -> None:
    theirs = up(bare, place)
    stack.up(place.settings, 1, floor=0)
    ours = stack.describe(place.settings)
    try:
        assert (theirs.running, ours.running) == (True, True)
        assert theirs.socket != ours.socket
        assert theirs.pid != ours.pid
        assert len(ours.socket.encode()) < 108
        output = CliRunner().invoke(hangtag, ["down"], env=place.environment).stdout
        assert "is down" in output
        assert str(bare.python.parent.parent) in output
        assert up(bare, place).pid == theirs.pid, "the other installation's stack was ended"
    finally:
        ended = bare.hangtag("down", env=place.environment)
        assert ended.returncode == 0, ended.stderr
    assert not place.processes()


def test_down_ends_the_stack_that_was_started_before_an_update_of_the_environment(
    place: Place,
) -> None:
    """A package that is added or updated changes the name of the environment's stack."""
    earlier = msgspec.structs.replace(place.settings, installation="0" * NAME_CHARS)
    stack.up(earlier, 1, floor=0)
    done = CliRunner().invoke(hangtag, ["down"], env=place.environment)
    assert (done.exit_code, done.stdout) == (0, "this machine's stack is down\n")
    assert not place.processes()


@pytest.mark.trains
def test_a_training_is_never_taken_by_a_stack_that_cannot_train(
    place: Place, bare: Installation, tmp_path: Path
) -> None:
    for number, label in enumerate(("bag", "shoe")):
        class_folders.fill(tmp_path / label, PHOTOS_OF_CLASS, 100 * number)
    with running(bare, place):
        work = Train("mine", "tutorial", str(tmp_path), epochs=1)
        submit(place.settings, make_request(work, "r1"), wait=False)
        listed = bare.hangtag("train", "--list", "--json", env=place.environment)
        (one,) = msgspec.json.decode(listed.stdout)
        assert (one["request"], one["elsewhere"]) == ("r1", True)
        followed = bare.hangtag("train", "--follow", "r1", "--json", env=place.environment)
        assert followed.returncode == 0, followed.stderr
        assert msgspec.json.decode(followed.stdout, type=Trained).model == "mine@1"
        assert request_store.owner(place.settings.store_path, "r1") == stack_id(place.settings)
        assert list(Registry(place.settings.store_path).versions("mine")) == [1]


@pytest.mark.parametrize("beside_ours", [False, True])
def test_an_installation_that_cannot_train_refuses_at_once(
    place: Place, bare: Installation, beside_ours: bool
) -> None:
    if beside_ours:
        stack.up(place.settings, 1, floor=0)
    done = bare.hangtag("train", "--data", "fashion-mnist", "--detach", env=place.environment)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "matplotlib, keras and tensorflow are missing" in line
    assert str(bare.python) in line
    assert request_store.unanswered(place.settings.store_path) == []


def test_a_version_can_be_evaluated_without_matplotlib(
    place: Place, bare: Installation, tmp_path: Path
) -> None:
    data = drawn_folders.draw(tmp_path / "drawn", LABELS, IMAGES_PER_CLASS)
    command = ("models", "evaluate", "fashion-mnist", "--data", str(data), "--quiet", "--json")
    with running(bare, place):
        done = bare.hangtag(*command, env=place.environment)
        assert done.returncode == 0, done.stderr
        found = msgspec.json.decode(done.stdout, type=Evaluated)
        assert found.evaluation.count == len(LABELS) * IMAGES_PER_CLASS
        assert found.evaluation.accuracy == pytest.approx(drawn_folders.counted(data, LABELS)[0])
        refused = bare.hangtag(*command, "--pictures", "here", env=place.environment)
        assert (refused.returncode, refused.stdout) == (1, "")
        (line,) = refused.stderr.splitlines()
        assert "matplotlib is missing" in line
        stored = list((place.settings.store_path / request_store.FOLDER).glob("*/request.json"))
        assert len(stored) == 1, "the second was queued"


def test_a_request_whose_installation_has_ended_is_adopted_by_one_that_can_do_it(
    place: Place, bare: Installation
) -> None:
    store = place.settings.store_path
    request_store.keep(store, make_request(Train("mine", "nope"), "t1"), None, "0" * NAME_CHARS)
    with running(bare, place) as theirs:
        refused = bare.hangtag("train", "--follow", "t1", env=place.environment)
        assert refused.returncode == 1
        assert "keras" in refused.stderr
        assert request_store.owner(store, "t1") == "0" * NAME_CHARS
        stack.up(place.settings, 1, floor=0)
        wait_for("its outcome", lambda: request_store.outcome(store, "t1"), 100)
        assert request_store.owner(store, "t1") == stack_id(place.settings)
        assert not other_stacks.mine(stack_of(place, theirs))


def test_a_job_on_the_stack_of_another_installation_can_be_cancelled(
    place: Place, bare: Installation, tmp_path: Path
) -> None:
    photos, output = tmp_path / "photos", tmp_path / "out.csv"
    photos.mkdir()
    class_folders.write(tmp_path / "one.png", class_folders.noise(0))
    for n in range(JOB_IMAGES):
        os.link(tmp_path / "one.png", photos / f"{n}.png")
    try:
        arguments = ("classify", "--detach", str(photos), "-o", str(output))
        done = bare.hangtag(*arguments, env={**place.environment, "HANGTAG_BATCH_IMAGES": "16"})
        assert done.returncode == 0, done.stderr
        leave_dead_socket(place)
        assert cancel.cancel(str(output), place.settings).images, (
            "it is taken for another machine's"
        )
        wait_for("the end of its producer", lambda: _state(output) is JobState.CANCELLED)
        assert not output.exists()
    finally:
        for other in other_stacks.others(place.settings):
            stack.down(other)


def leave_dead_socket(place: Place) -> None:
    """The socket of this installation's stack, as a killed server leaves it."""
    private_stack_dir(place.settings)
    path = socket_path(place.settings)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _state(output: Path) -> JobState | None:
    view = read_snapshot(output)
    return view.state if view is not None else None


def stack_of(place: Place, found: stack.Stack) -> Settings:
    """The settings that select this stack."""
    name = Path(found.socket).parent.name
    return msgspec.structs.replace(place.settings, installation=name)
