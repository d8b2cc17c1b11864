"""A data set that a trainer would refuse is refused before it is queued, with the same words."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import zlib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.inputs.job_options import JobOptions
from producer.present.events import Events, Waiting
from producer.processes.helper import Helper
from producer.requests import check_class_folders as module
from producer.requests.check_class_folders import check_class_folders
from shared.errors import Exit, SetupError, Stopped, UsageError
from shared.labels import correction_log
from shared.labels.correction import Correction
from shared.ledger import request_store
from shared.messages.training import FASHION_MNIST
from shared.pipes.class_folders_check import Purpose
from shared.settings import Settings
from shared.stop import Stop
from tests.support.jobs import finished_job
from tests.support.processes import procfs
from worker.check_class_folders import verdict
from worker.datasets import fashion_mnist

FASHION_IMAGES = 60_000
HERE, ELSEWHERE = Settings(), Settings(redis_url="redis://:secret@host:1")


def folder(root: Path, **classes: int) -> str:
    """A folder with this number of (empty) images in each class folder."""
    for name, count in classes.items():
        (root / "photos" / name).mkdir(parents=True)
        for number in range(count):
            (root / "photos" / name / f"{number}.png").touch()
    (root / "photos").mkdir(exist_ok=True)
    return str(root / "photos")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict without the process that it comes from."""
    monkeypatch.setattr(module, "_verdict", lambda question, *_: verdict(question))


@pytest.mark.parametrize(
    ("classes", "purpose", "error"),
    [
        ({}, "train", "there are no images in folders under"),
        ({"a": 0, "b": 0}, "train", "there are no images in folders under"),
        ({"a": 9}, "train", "has one class, a; a model needs two"),
        ({"a": 9, "b": 3}, "train", "class b has 3 images to learn from"),
        ({"a": 4, "b": 4}, "train", ""),
        ({}, "evaluate", "there are no images in folders under"),
        ({"a": 1}, "evaluate", ""),
        ({"a": 1}, "show", ""),
    ],
)
def test_a_folder_is_judged_as_a_trainer_does(
    tmp_path: Path, here: None, classes: dict[str, int], purpose: Purpose, error: str
) -> None:
    place = folder(tmp_path, **classes)
    if error:
        with pytest.raises(SetupError, match=error):
            check_class_folders(place, purpose, HERE)
    else:
        check_class_folders(place, purpose, HERE)
    check_class_folders(place, purpose, ELSEWHERE)  # that folder is on another machine


def test_a_check_that_takes_long_ends_at_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is stopped, and killed then."""
    started, stop, events = list[subprocess.Popen[bytes]](), Stop(), Events()
    start = Helper.start

    def stopped(helper: Helper) -> subprocess.Popen[bytes]:
        if not helper.is_running:
            started.append(start(helper))
            procfs.stop(started[0].pid)
        return start(helper)

    monkeypatch.setattr(Helper, "start", stopped)
    events.subscribe(lambda event: stop.request(), Waiting)
    with pytest.raises(Stopped):
        check_class_folders(folder(tmp_path, a=9), "train", HERE, events=events, stop=stop)
    assert started[0].returncode == -signal.SIGKILL


def test_a_folder_whose_check_ends_early_is_left_to_the_trainer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is killed, where the same folder would be refused."""
    one_class = folder(tmp_path, a=9)
    with pytest.raises(SetupError):
        check_class_folders(one_class, "train", HERE)
    start = Helper.start

    def killed(helper: Helper) -> subprocess.Popen[bytes]:
        process = start(helper)
        process.kill()
        return process

    monkeypatch.setattr(Helper, "start", killed)
    check_class_folders(one_class, "train", HERE)


def test_a_folder_whose_check_fails_at_its_question_is_left_to_the_trainer(tmp_path: Path) -> None:
    """Where the same folder would be refused."""
    check_class_folders(folder(tmp_path, a=9), "train", HERE, corrections=b"no corrections")


def test_the_index_of_an_image_is_checked(tmp_path: Path, here: None) -> None:
    place = folder(tmp_path, a=3)
    check_class_folders(place, "show", HERE, index=2)
    with pytest.raises(UsageError, match="there is no image 3; --index goes from 0 to 2"):
        check_class_folders(place, "show", HERE, index=3)
    for settings in (HERE, ELSEWHERE):
        check_class_folders(FASHION_MNIST, "show", settings, index=FASHION_IMAGES - 1)
        with pytest.raises(UsageError, match=f"0 to {FASHION_IMAGES - 1}"):
            check_class_folders(FASHION_MNIST, "show", settings, index=FASHION_IMAGES)
    (_, labels) = fashion_mnist._FILES["train"]
    assert labels.content_bytes - labels.header_bytes == FASHION_IMAGES


@pytest.mark.parametrize(
    ("arguments", "code", "fix"),
    [
        (["train", "--recipe", "phto"], Exit.USAGE, "did you mean photo?"),
        (["train", "--data", "photos", "--name", "x"], Exit.SETUP, "there are no images"),
        (["models", "evaluate", "garment"], Exit.SETUP, "there is no model garment"),
        (["models", "evaluate", "fashion-mnist@9"], Exit.SETUP, "there is no version"),
        (["models", "evaluate", "--data", "photos"], Exit.SETUP, "there are no images"),
        (["dataset", "show", "--index", "60000"], Exit.USAGE, "0 to 59999"),
        (["dataset", "show", "--data", "photos"], Exit.SETUP, "there are no images"),
    ],
)
def test_what_can_be_seen_here_is_refused_before_a_stack_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: Exit, fix: str
) -> None:
    folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    result: Result = CliRunner().invoke(hangtag, arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    (line,) = result.stderr.splitlines()
    assert fix in line
    assert request_store.unanswered(Settings.from_env().store_path) == []
    assert not os.path.exists(os.environ["HANGTAG_RUNTIME_DIR"])


@pytest.mark.parametrize(
    ("command", "fix"),
    [
        (["train", "photos"], "class b has 3 images"),
        (["dataset", "check", "photos"], "class b has 3 images"),
        (["models", "evaluate", "garment", "--data", "photos"], "there is no model garment"),
    ],
    ids=["train", "check", "evaluate"],
)
def test_commands_check_a_folder_as_corrected(
    corrections: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], fix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(hangtag, [*command, "--corrections", corrections])
    assert (result.exit_code, result.stdout) == (Exit.SETUP, "")
    assert fix in result.stderr


@pytest.fixture
def corrections(tmp_path: Path) -> str:
    """The table of a folder without class folders; people gave 4 files the label a and 3 b."""
    labels = [*"aaaabbb"]
    (tmp_path / "photos").mkdir()
    for number in range(len(labels)):
        (tmp_path / f"photos/{number}.png").write_bytes(b"no image %d" % number)
    table = tmp_path / "t.csv"
    finished_job.finish(JobOptions((b"photos",), os.fsencode(tmp_path), str(table)))
    log = [
        Correction(
            hashlib.sha256(content).hexdigest(),
            *(f"photos/{number}.png", number + 1, "", label, "ada", len(content)),
            f"{zlib.crc32(content):08x}",
            "2026-01-01T00:00:00+00:00",
        )
        for number, label in enumerate(labels)
        for content in [b"no image %d" % number]
    ]
    correction_log.append(correction_log.log_path(table), log)
    return str(table)
