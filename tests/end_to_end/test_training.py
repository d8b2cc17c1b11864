"""`hangtag train` on this machine's stack: all processes are real and started by the command."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from producer.requests.open_requests import OpenRequest
from producer.stack import stack
from shared.errors import Exit, SetupError
from shared.messages.replies import Trained
from shared.registry import packaged
from shared.registry.registry import Registry
from tests.support.jobs import accuracy, old_version
from tests.support.processes import in_process, local_stack, trainers
from tests.support.processes.fleet import PRODUCT_PROGRAM, ROOT, Producer, wait_for
from tests.support.processes.in_process import Done
from tests.support.processes.local_stack import TRAINER, Place
from worker.datasets import fashion_mnist

#: Never reached: the test cancels the training.
EPOCHS = 20_000
#: A training from scratch has epoch 1 in its first report, which lists the last 50 epochs; it runs
#: 20 a second.
FAR = 20


class Commands:
    """Runs commands in a folder with a store and a stack."""

    def __init__(self, place: Place) -> None:
        self.place, self._count = place, 0
        self.registry = Registry(place.settings.store_path)

    def hangtag(self, *arguments: str) -> Producer:
        """Start a command."""
        self._count += 1
        files = self.place.folder / f"command-{self._count}"
        env = _inherited() | self.place.environment
        return Producer(arguments, self.place.folder, env, files, PRODUCT_PROGRAM)

    def done(self, *arguments: str, code: Exit = Exit.OK) -> Done:
        """Run a command and check its exit code."""
        env = _inherited() | self.place.environment
        command = in_process.run_with(env, *arguments, cwd=self.place.folder)
        assert command.code == code, f"{command.story}\n{self.log}"
        return command

    @property
    def log(self) -> str:
        """The end of the stack's log."""
        return Path(stack.describe(self.place.settings).log).read_text(errors="replace")[-3000:]


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    for place in local_stack.new():
        trainers.draw_classes(place.folder / "photos")
        (place.folder / "photos/bag/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        yield Commands(place)


@pytest.mark.nightly
def test_a_worse_model_is_published_and_not_promoted_over_the_shipped_one(
    commands: Commands,
) -> None:
    try:
        fashion_mnist.load("train", download=False)
    except SetupError:
        pytest.skip("Fashion-MNIST is not on this machine")
    command = commands.done("train", "--recipe", "tutorial", "--epochs", "1")
    print(command.story)
    assert "epoch 1 of 1, loss" in command.log
    assert "held-out accuracy" in command.log
    lines = command.out.splitlines()
    assert lines[0].startswith("fashion-mnist@1 is published")
    assert re.search(r"[78]\d\.\d% of 10,000 test images right", command.out)
    assert "not promoted" in command.out
    measured = re.search(
        r"5,000 held-out images, production \(fashion-mnist@0\) (\d+\.\d+)%;", command.out
    )
    assert measured is not None
    assert not accuracy.off("heldout", round(50 * float(measured[1])))
    assert lines[-1].endswith("hangtag models promote fashion-mnist@1")
    assert commands.registry.versions(packaged.NAME) == [0, 1]
    assert commands.registry.aliases(packaged.NAME)["production"] == 0


@pytest.fixture(scope="module")
def trained(commands: Commands) -> Trained:
    """A training from a folder, by a published version and by a network of its own."""
    teacher = old_version.publish(commands.registry, "garments", trainers.LABELS)
    command = commands.done(
        "train", "--data", "photos", "--name", "shapes", "--recipe", "tutorial", "--epochs", "1",
        "--seed", "4", "--teacher", teacher.ref, "--teach-by", "1", "--json",
    )  # fmt: skip
    return msgspec.json.decode(command.out, type=Trained)


def test_a_folder_of_classes_becomes_a_model_and_broken_files_are_named(
    commands: Commands, trained: Trained
) -> None:
    assert (trained.model, trained.decision.changed) == ("shapes@1", True)
    assert trained.data is not None
    (unreadable,) = trained.data.unreadable
    assert unreadable.startswith("bag/broken.png: ")
    assert commands.registry.aliases("shapes") == {"production": 1}
    table = commands.place.folder / "out.csv"
    commands.done("classify", "photos/dress", "-o", str(table), "--model", "shapes", "--quiet")
    rows = table.read_text().splitlines()[1:]
    assert len(rows) == trainers.IMAGES_PER_CLASS
    assert all(",shapes@1" in row for row in rows)


def test_a_version_and_a_trained_network_teach_the_next_version(
    commands: Commands, trained: Trained
) -> None:
    shown = commands.done("models", "show", trained.model).out
    assert re.search(r"^ *teachers +garments@1, seed 5$", shown, re.MULTILINE)


def test_a_training_outlives_ctrl_c_and_the_stack_until_it_is_cancelled(
    commands: Commands,
) -> None:
    command = commands.hangtag(
        "train", "--data", "photos", "--name", "endless", "--recipe", "tutorial",
        "--epochs", str(EPOCHS), "--request-id", "long",
    )  # fmt: skip
    wait_for(f"epoch {FAR}", lambda: max(_epochs(command), default=0) > FAR)
    assert command.interrupt() == Exit.INTERRUPTED, command.story
    assert "hangtag train --follow long" in command.log
    assert commands.place.parents(TRAINER), "the training ended with its follower"
    before = _epochs(command)[-1]

    commands.done("down")
    commands.place.request_no_workers()
    listed = commands.done("train", "--list", "--json").out
    (paused,) = msgspec.json.decode(listed, type=list[OpenRequest])
    assert (paused.request, paused.state) == ("long", "paused")

    follower = commands.hangtag("train", "--follow", "long")
    follower.wait_for_log(f"of {EPOCHS}, loss")
    assert _epochs(follower)[0] >= before, "the training started over"
    assert "cancelled" in commands.done("train", "--cancel", "long").out
    assert follower.wait() == Exit.CANCELLED, follower.story
    assert commands.registry.versions("endless") == []
    assert commands.done("train", "--list").out == "no request is open\n"


def _epochs(command: Producer) -> list[int]:
    """The epochs that the command has logged."""
    return [int(n) for n in re.findall(r"^epoch (\d+) of \d+,", command.log, re.MULTILINE)]


def _inherited() -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HANGTAG_")}
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join([str(ROOT), inherited.get("PYTHONPATH", "")]),
    }
