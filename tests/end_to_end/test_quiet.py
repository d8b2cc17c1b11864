"""--quiet: every command that has it prints nothing, on either stream, if all goes well; --json
has the answer all the same. Workers are real; the test plays the trainer."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from shared.errors import Exit
from shared.messages import checked_dataset
from shared.messages.checked_dataset import CheckedRows, encode_rows
from shared.messages.files import stamp
from shared.messages.model_card import encode_card
from shared.messages.replies import CheckedDataset, DataReport, Evaluated, Evaluation
from shared.messages.requests import Outcome
from shared.registry import mirror_writer, packaged
from shared.registry.registry import Registry
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.processes import in_process
from tests.support.processes.fleet import Fleet, wait_for
from tests.support.processes.in_process import Done
from tests.support.processes.manual_trainer import ANSWER, Hand
from tests.unit.commands.test_help import ALL

IMAGES = 40
LABELS = ("bag", "boot")
DATA = DataReport("photos", (28, 28, 1), LABELS, (1, 1), (1, 1), (0, 0))
FIGURES = Evaluation(2, 0.5, 0.5, 0.02, LABELS, ((1, 0), (1, 0)))
EVALUATED = Evaluated("fashion-mnist@0", DATA, FIGURES, "heldout")
COPY = "copy"  #: another model, with the version that ships
KERAS, NAMES = "mine.keras", "labels.txt"
PNG = b"\x89PNG\r\n\x1a\n"


class Case(NamedTuple):
    """A command, and what a trainer answers, with files."""

    arguments: str
    answer: msgspec.Struct | None = None
    files: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()  #: some keys of its JSON
    notice: str = ""  #: the end of the only line that it prints


CASES = {
    "classify": Case(f"{FOLDER} -o a.csv --restart", keys=("answers", "skipped", "exit_code")),
    "collect": Case(
        "a.csv", keys=("answers", "skipped", "exit_code"), notice="with classify --restart\n"
    ),
    "predict": Case("one.png", keys=("images", "summary")),
    "report": Case("a.csv --force", keys=("rows", "pictures")),
    "compare": Case("a.csv b.csv", keys=("comparison",)),
    "sort": Case("a.csv --into sorted --copy", keys=("folders", "stay")),
    "train": Case("--data fashion-mnist", ANSWER, keys=("metrics", "decision", "evaluations")),
    "dataset show": Case("-o plots --force", DATA, ("grid.png", "image.png"), ("labels",)),
    "dataset check": Case(
        "photos -o check.csv", CheckedDataset(DATA, 0.5, 0.1), (checked_dataset.FILE,)
    ),
    "models compare": Case(f"fashion-mnist@0 {COPY}@1 --on {FOLDER}", keys=("comparison",)),
    "models evaluate": Case("fashion-mnist", EVALUATED, keys=("evaluation", "data")),
    "models import": Case(f"{KERAS} --labels {NAMES} --name mine", ANSWER, keys=("metrics",)),
    "models report": Case("fashion-mnist --force", keys=("model", "mistakes")),
}


class Scene:
    """A folder with images and tables, workers, and a trainer played by the test."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self._fleet, self._folder, self._hand = fleet, folder, Hand(fleet.server)
        self._hand.live()

    def run(self, words: str, *options: str) -> Done:
        """Run the command of a case, and answer its request, if it makes one."""
        case = CASES[words]
        arguments = [*words.split(), *case.arguments.split(), *options]
        with ThreadPoolExecutor(1) as trainer:
            answered = trainer.submit(self._answer, case)
            done = in_process.run(self._fleet, *arguments, cwd=self._folder)
            answered.result()
        assert done.code == Exit.OK, done.story
        return done

    def _answer(self, case: Case) -> None:
        if case.answer is None:
            return
        (request,) = wait_for("the request", self._hand.requests.open)
        grant = self._hand.claim(request)
        outcome = Outcome(ok=True, answer=msgspec.Raw(msgspec.json.encode(case.answer)))
        rows = encode_rows(_checked(self._folder / "photos"))
        files = {name: rows if name == checked_dataset.FILE else PNG for name in case.files}
        assert self._hand.requests.finish(request, grant.fence, outcome, files)


def _checked(folder: Path) -> CheckedRows:
    """A check of two images, one of which looks like the other class."""
    paths = sorted(folder.rglob("*.png"))
    contents = [path.read_bytes() for path in paths]
    return CheckedRows(
        bytes(folder), encode_card(packaged.card()), 1, [bytes(path) for path in paths],
        [stamp(path.stat()) for path in paths],
        b"".join(struct.pack("<I", zlib.crc32(content)) for content in contents),
        bytes(2), bytes(2), struct.pack("<2H", 0, 0), struct.pack("<2f", 0.9, 0.8),
        [0, 1], [0.9, 0.1], [0.0, 0.9], bytes(2), [-1, -1],
    )  # fmt: skip


@pytest.fixture(scope="module")
def scene(fleet: Fleet, images: Gallery, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("quiet")
    paths = [images.cwd / path for path in images.paths[:: len(images.paths) // IMAGES]]
    places = [Path(FOLDER, path.parent.name, path.name) for path in paths]
    places += [Path("photos", label, "0.png") for label in LABELS] + [Path("one.png")]
    for path, place in zip([*paths, *paths], places, strict=False):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / place)
    (folder / KERAS).write_bytes(b"the test plays the trainer")
    (folder / NAMES).write_text("bag\nboot\n")
    for table in ("a.csv", "b.csv"):
        made = in_process.run(fleet, "classify", FOLDER, "-o", table, "--quiet", cwd=folder)
        assert made.code == Exit.OK, made.story
    registry = Registry(folder / "store")
    card = msgspec.structs.replace(packaged.card(), name=COPY, pixel_bounds=None)
    registry.publish(card, {name: packaged.read(name) for name in ("model.keras", "model.tflite")})
    mirror_writer.publish(fleet.client, registry)
    return Scene(fleet, folder)


def assert_only(notice: str, log: str) -> None:
    """A quiet command prints nothing, or this one line."""
    assert log.count("\n") == bool(notice)
    assert log.endswith(notice)


def test_every_command_with_the_option_is_here() -> None:
    assert set(CASES) == {
        words
        for words, command in ALL.items()
        if any("--quiet" in option.opts for option in command.params)
    }


@pytest.mark.parametrize("words", CASES)
def test_quiet_prints_nothing(scene: Scene, words: str, capfd: pytest.CaptureFixture[str]) -> None:
    done = scene.run(words, "--quiet")
    assert done.out == ""
    assert_only(CASES[words].notice, done.log)
    assert capfd.readouterr() == ("", ""), "printed by a process that the command started"


@pytest.mark.parametrize("words", ["classify", "collect", "predict", "train", "models evaluate"])
def test_json_has_the_answer_with_quiet_too(scene: Scene, words: str) -> None:
    done = scene.run(words, "--quiet", "--json")
    assert_only(CASES[words].notice, done.log)
    found = json.loads(done.out)
    for key in CASES[words].keys:
        assert key in found
