"""--quiet: every command that has it prints nothing, on either stream, if all goes well; --json of
every command is one answer on standard output. Workers are real; the test plays the trainer."""

from __future__ import annotations

import shutil
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
import pytest

from producer.job.job_options import JobOptions
from shared.errors import Exit
from shared.messages import replies
from shared.messages.files import stamp
from shared.messages.model_card import ImportedNetwork, encode_card
from shared.messages.replies import (
    CheckedDataset,
    CheckedRows,
    DataReport,
    Decided,
    Evaluated,
    Evaluation,
    Pruned,
    encode_rows,
)
from shared.messages.requests import Outcome
from shared.registry import mirror_writer, packaged
from shared.registry.own_backbones import Backbones, OwnBackbone
from shared.registry.registry import Registry
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.finished_job import finish
from tests.support.processes import in_process
from tests.support.processes.fleet import ROOT, Fleet, Producer, wait_for
from tests.support.processes.in_process import Done
from tests.support.processes.manual_trainer import ANSWER, Hand
from tests.support.terminal.json_answers import answer
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


CELLS = OwnBackbone(
    "cells", 16, 48, 0, ImportedNetwork("onnx", "0-1"), {"model.onnx": "0" * 64}, "2026-12-02"
)
CASES = {
    "classify": Case(f"{FOLDER} -o a.csv --restart", keys=("answers", "skipped", "exit_code")),
    "predict": Case("one.png", keys=("images", "summary")),
    "report": Case("a.csv --force", keys=("rows", "pictures")),
    "compare": Case("a.csv b.csv", keys=("comparison",)),
    "sort": Case("a.csv --into sorted --copy", keys=("folders", "stay")),
    "train": Case("--data fashion-mnist", ANSWER, keys=("metrics", "decision", "evaluations")),
    "dataset show": Case("-o plots --force", DATA, ("grid.png", "image.png"), ("labels",)),
    "dataset check": Case(
        "photos -o check.csv", CheckedDataset(DATA, 0.5, 0.1), (replies.ROWS_FILE,)
    ),
    "backbones add": Case(f"{KERAS} --name cells", CELLS, keys=("name", "features")),
    "backbones rm": Case("cells", Backbones(())),
    "models compare": Case(f"fashion-mnist@0 {COPY}@1 --on {FOLDER}", keys=("comparison",)),
    "models evaluate": Case("fashion-mnist", EVALUATED, keys=("evaluation", "data")),
    "models calibrate": Case("fashion-mnist --data photos", ANSWER, keys=("metrics",)),
    "models export": Case("fashion-mnist -o exported --force", keys=("model", "files")),
    "models import": Case(f"{KERAS} --labels {NAMES} --name mine", ANSWER, keys=("metrics",)),
    "models report": Case("fashion-mnist --force", keys=("model", "mistakes")),
}


MOVED = Decided("production", 1, None, True, "")
#: The commands without --quiet, in an order in which each has what it needs.
OTHERS = {
    "classify": Case(f"{FOLDER} -o a.csv", keys=CASES["classify"].keys),
    "status": Case("a.csv", keys=("job", "state")),
    "table": Case("a.csv --min-confidence 0.5", keys=("rows", "model")),
    "verify": Case("a.csv", keys=("proven", "problems")),
    "cancel": Case("paused.csv", keys=("job", "ended", "done", "images")),
    "forget": Case("b.csv --yes", keys=("job", "output", "keys_deleted")),
    "workers": Case(""),
    "doctor": Case("", keys=("findings",)),
    "completion": Case("bash", keys=("shell", "script")),
    "demo": Case("demo --count 10", keys=("images", "table", "page", "next")),
    "down": Case("", keys=("stopped",)),
    "backbones list": Case("", Backbones((CELLS,))),
    "models list": Case(""),
    "models show": Case("fashion-mnist", keys=("card",)),
    "models use": Case("fashion-mnist", keys=("model", "source")),
    "models promote": Case(f"{COPY}@1", MOVED, keys=("alias", "version")),
    "models rollback": Case(COPY, MOVED, keys=("alias", "version")),
    "models rm": Case(f"{COPY}@1 --yes", Pruned((1,), {}, 7), keys=("removed",)),
}
#: They run until they are ended, and print their answer at the start.
SERVERS = {
    "worker": ("--concurrency 1", ("queue", "processes", "pid")),
    "metrics": ("--port 0", ("metrics",)),
    "review": ("a.csv", ("review", "images")),
}
#: One is refused where a broker is configured, one has a request before it starts.
ELSEWHERE = {
    "up": "tests/integration/machine/test_scaling.py",
    "label": "tests/integration/people/test_label_server.py",
}


class Scene:
    """A folder with images and tables, workers, and a trainer played by the test."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self._fleet, self._folder, self._hand = fleet, folder, Hand(fleet.server)
        self._hand.live()

    def run(self, words: str, *options: str) -> Done:
        """Run the command of a case, and answer its request, if it makes one."""
        case = (OTHERS if words in OTHERS and "--quiet" not in options else CASES)[words]
        arguments = [*words.split(), *case.arguments.split(), *options]
        shutil.rmtree(self._folder / "sorted", ignore_errors=True)  # the log of a case ends with it
        with ThreadPoolExecutor(1) as trainer:
            answered = trainer.submit(self._answer, case)
            done = in_process.run(self._fleet, *arguments, cwd=self._folder)
            answered.result()
        assert done.code == Exit.OK, done.story
        return done

    def start(self, *arguments: str) -> Producer:
        """Start a command that runs until it is ended."""
        return self._fleet.producer(*arguments, cwd=self._folder)

    def _answer(self, case: Case) -> None:
        if case.answer is None:
            return
        (request,) = wait_for("the request", self._hand.open)
        self._hand.claim(request)
        outcome = Outcome(ok=True, answer=msgspec.Raw(msgspec.json.encode(case.answer)))
        rows = encode_rows(_checked(self._folder / "photos"))
        files = {name: rows if name == replies.ROWS_FILE else PNG for name in case.files}
        self._hand.answer(request, outcome, files)


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
    paused = JobOptions((FOLDER.encode(),), bytes(folder), str(folder / "paused.csv"))
    finish(paused, stop_after=0)
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


def test_every_command_has_a_case_of_json() -> None:
    commands = {words for words, command in ALL.items() if not isinstance(command, click.Group)}
    assert commands == {*CASES, *OTHERS, *SERVERS, *ELSEWHERE}
    for file in ELSEWHERE.values():
        assert '"--json"' in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [words for words in CASES if words != "classify"])
def test_json_has_the_answer_with_quiet_too(scene: Scene, words: str) -> None:
    done = scene.run(words, "--quiet", "--json")
    if words != "models compare":  # its tables are there by now, which it says
        assert_only(CASES[words].notice, done.log)
    found = answer(done.code, done.out, done.log)
    for key in CASES[words].keys:
        assert key in found


@pytest.mark.parametrize("words", OTHERS)
def test_json_is_one_answer(scene: Scene, words: str) -> None:
    done = scene.run(words, "--json")
    found = answer(done.code, done.out, done.log)
    for key in OTHERS[words].keys:
        assert key in found


@pytest.mark.parametrize("words", SERVERS)
def test_a_server_prints_its_answer_when_it_starts(scene: Scene, words: str) -> None:
    arguments, keys = SERVERS[words]
    server = scene.start(words, *arguments.split(), "--json")
    wait_for("its answer", lambda: server.out or not server.running)
    assert server.running, server.story
    assert set(answer(0, server.out, server.log)) == set(keys)
    server.kill()
