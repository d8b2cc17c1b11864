"""`hangtag train` and `dataset show` on this machine's stack: its processes are real.

The tests share a training that never ends and one that waits for it: a trainer needs 4 s of a core
to import TensorFlow.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from PIL import Image

from producer.machine import stack
from producer.trainer.existing import OpenRequest
from shared.errors import Exit, SetupError
from shared.ledger.request_store import RequestFolder, RequestState
from shared.messages.replies import Trained
from shared.registry import packaged
from shared.registry.registry import Registry
from tests.support.jobs import accuracy
from tests.support.processes import in_process, local_stack, trainers
from tests.support.processes.fleet import PRODUCT_PROGRAM, ROOT, Producer, wait_for
from tests.support.processes.in_process import Done
from tests.support.processes.local_stack import TRAINER, Place
from worker.datasets import fashion_mnist
from worker.datasets.demo import silhouette

pytestmark = pytest.mark.trains
#: Never reached: the test cancels the training.
EPOCHS = 20_000
#: A training from scratch has epoch 1 in its first report, which lists the last 50 epochs; it runs
#: 20 a second.
FAR = 20
LONG, NEXT = "long", "next"  #: ids of the training that never ends, and of the one that waits
BROKEN = "bag/broken.png"
#: Images of a class in the folder that is shown, and silhouettes of its two classes.
SHOWN, SILHOUETTES = 12, {"bag": 8, "trouser": 1}


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

    def state(self, request: str) -> RequestState | None:
        return RequestFolder(self.place.settings.store_path, request).state

    @property
    def log(self) -> str:
        """The end of the stack's log."""
        return Path(stack.describe(self.place.settings).log).read_text(errors="replace")[-3000:]


def check_log(log: str) -> None:
    """Every line of supervisor, worker and trainer is an object, and none a library's remark. The
    server writes text, each line after its process id."""
    lines = [json.loads(line) for line in log.splitlines() if not re.match(r"\d+:", line)]
    assert {"worker.serve", "worker.requests.runner"} <= {line["logger"] for line in lines}
    assert [line["message"] for line in lines if line["logger"] == "stderr"] == []


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    for place in local_stack.new(workers=False):
        place.settings = msgspec.structs.replace(place.settings, log_json="1")
        trainers.draw_classes(place.folder / "photos")
        (place.folder / "photos" / BROKEN).write_bytes(b"\x89PNG\r\n\x1a\n")
        yield Commands(place)
        check_log(Path(stack.describe(place.settings).log).read_text())


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


class Resumed(NamedTuple):
    """A training that lost its follower, then its stack, and goes on; another one waits for it."""

    left: Producer  #: the command that was interrupted
    code: int  #: of it
    survivors: list[int]  #: trainers after that
    paused: list[OpenRequest]  #: what is listed without a stack
    follower: Producer  #: the command that follows it now
    waiting: Producer  #: a training from a folder


@pytest.fixture(scope="module")
def resumed(commands: Commands) -> Resumed:
    command = commands.hangtag(
        "train", "--data", "photos", "--name", "endless", "--recipe", "tutorial",
        "--epochs", str(EPOCHS), "--request-id", LONG,
    )  # fmt: skip
    wait_for(f"epoch {FAR}", lambda: max(_epochs(command), default=0) > FAR)
    code = command.interrupt()
    survivors = commands.place.parents(TRAINER)
    commands.done("down")
    commands.place.request_no_workers()
    listed = commands.done("train", "--list", "--json").out
    paused = msgspec.json.decode(listed, type=list[OpenRequest])
    follower = commands.hangtag("train", "--follow", LONG)
    wait_for("its turn", lambda: commands.state(LONG) is RequestState.RUNNING)
    waiting = commands.hangtag(
        "train", "--data", "photos", "--name", "shapes", "--recipe", "tutorial", "--epochs", "1",
        "--seed", "4", "--json", "--request-id", NEXT,
    )  # fmt: skip
    wait_for("the next", lambda: commands.state(NEXT) is RequestState.WAITING)
    follower.wait_for_log(f"of {EPOCHS}, loss")
    return Resumed(command, code, survivors, paused, follower, waiting)


class Ended(NamedTuple):
    """After the first training was cancelled, both have ended."""

    cancelled: Done
    follower: Producer
    trained: Trained


@pytest.fixture(scope="module")
def ended(commands: Commands, resumed: Resumed) -> Ended:
    cancelled = commands.done("train", "--cancel", LONG)
    assert resumed.waiting.wait() == Exit.OK, resumed.waiting.story
    trained = msgspec.json.decode(resumed.waiting.out, type=Trained)
    return Ended(cancelled, resumed.follower, trained)


def test_a_training_outlives_ctrl_c_and_the_stack(resumed: Resumed) -> None:
    assert resumed.code == Exit.INTERRUPTED, resumed.left.story
    assert f"hangtag train --follow {LONG}" in resumed.left.log
    assert resumed.survivors, "the training ended with its follower"
    (paused,) = resumed.paused
    assert (paused.request, paused.state) == (LONG, "paused")
    before = _epochs(resumed.left)[-1]
    assert _epochs(resumed.follower)[0] >= before, "the training started over"


def test_data_are_displayed_while_a_training_runs_and_the_next_training_waits_for_it(
    commands: Commands, resumed: Resumed
) -> None:
    shown = commands.done("dataset", "show", "--data", "photos", "-o", "plots").out
    assert "sandal" in shown
    assert (commands.place.folder / "plots/grid.png").exists()
    assert commands.state(LONG) is RequestState.RUNNING
    assert commands.state(NEXT) is RequestState.WAITING
    resumed.waiting.wait_for_log("waiting: train endless (tutorial) is running")
    assert f"(request {LONG})" in resumed.waiting.log


def test_a_cancelled_training_ends_unpublished_and_the_next_one_has_its_turn(
    commands: Commands, ended: Ended
) -> None:
    assert "cancelled" in ended.cancelled.out
    assert ended.follower.wait() == Exit.CANCELLED, ended.follower.story
    assert commands.registry.versions("endless") == []
    assert ended.trained.model == "shapes@1"
    assert commands.done("train", "--list").out == "no request is open\n"


@pytest.fixture
def garments(tmp_path: Path) -> Path:
    """Two classes of drawings, and a file that is no image."""
    folder = tmp_path / "garments"
    for label, number in SILHOUETTES.items():
        (folder / label).mkdir(parents=True)
        for seed in range(SHOWN):
            Image.fromarray(silhouette(number, seed)).save(folder / label / f"{seed:02}.png")
    (folder / BROKEN).write_text("no image")
    return folder


def test_counts_and_plots_are_written_once_and_not_overwritten(
    commands: Commands, garments: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    show = ("dataset", "show", "--data", str(garments))
    done = commands.done(*show, "-o", str(out))
    lines = done.out.splitlines()
    assert lines[0] == "garments: 96 x 96 pixels, colour, 2 labels"
    for line, label in zip(lines[2:4], SILHOUETTES, strict=True):
        name, *counts = line.split()
        assert (name, sum(map(int, counts))) == (label, SHOWN)
    assert "could not be read" in done.out
    assert f"{BROKEN}: The file is not a" in done.out
    assert done.log.endswith(f"\ndrawn: {out}/grid.png, {out}/image.png\n")
    written = {name: (out / name).read_bytes() for name in ("grid.png", "image.png")}
    for name in written:
        with Image.open(out / name) as image:
            assert image.format == "PNG"
    assert "--force" in commands.done(*show, "-o", str(out), code=Exit.USAGE).log
    one = commands.done(*show, "-o", str(tmp_path / "one"), "--index", "3")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["image.png"]
    assert one.log.endswith(f"\ndrawn: {tmp_path}/one/image.png\n")
    assert {name: (out / name).read_bytes() for name in written} == written


def test_a_folder_of_classes_becomes_a_model_and_broken_files_are_named(
    commands: Commands, ended: Ended
) -> None:
    trained = ended.trained
    assert (trained.model, trained.decision.changed) == ("shapes@1", True)
    assert trained.data is not None
    (unreadable,) = trained.data.unreadable
    assert unreadable.startswith(f"{BROKEN}: ")
    assert commands.registry.aliases("shapes") == {"production": 1}
    table = commands.place.folder / "out.csv"
    commands.done("classify", "photos/dress", "-o", str(table), "--model", "shapes", "--quiet")
    rows = table.read_text().splitlines()[1:]
    assert len(rows) == trainers.IMAGES_PER_CLASS
    assert all(",shapes@1" in row for row in rows)


def _epochs(command: Producer) -> list[int]:
    """The epochs that the command has logged."""
    return [int(n) for n in re.findall(r"^epoch (\d+) of \d+,", command.log, re.MULTILINE)]


def _inherited() -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HANGTAG_")}
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join([str(ROOT), inherited.get("PYTHONPATH", "")]),
    }
