"""A data set that a trainer would refuse is refused before it is queued, with the same words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.job.job_options import JobOptions
from producer.trainer.check_class_folders import check_class_folders
from shared.errors import Exit
from shared.ledger import request_store
from shared.settings import Settings
from tests.support.jobs import finished_job
from tests.support.jobs.decided import correct

HERE = Settings()


def folder(root: Path, **classes: int) -> str:
    """A folder with this number of (empty) images in each class folder."""
    for name, count in classes.items():
        (root / "photos" / name).mkdir(parents=True)
        for number in range(count):
            (root / "photos" / name / f"{number}.png").touch()
    (root / "photos").mkdir(exist_ok=True)
    return str(root / "photos")


def test_a_folder_whose_check_fails_at_its_question_is_left_to_the_trainer(tmp_path: Path) -> None:
    """Where the same folder would be refused."""
    check_class_folders(folder(tmp_path, a=9), "train", HERE, corrections=b"no corrections")


@pytest.mark.parametrize(
    ("arguments", "code", "fix"),
    [
        (["train", "--recipe", "photo-haed"], Exit.USAGE, "did you mean photo-head?"),
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
    assert request_store.open_requests(Settings.from_env().store_path) == []
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
    for number, label in enumerate(labels):
        correct(table, b"no image %d" % number, label)
    return str(table)


@pytest.mark.parametrize("has_labels", [True, False])
def test_a_folder_with_a_labels_file_beside_it_is_refused_with_the_command_that_learns_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_labels: bool
) -> None:
    folder(tmp_path, a=9, b=0)
    monkeypatch.chdir(tmp_path)
    if has_labels:
        Path("photos.labels.jsonl").touch()
    result = CliRunner().invoke(hangtag, ["train", "photos"])
    assert result.exit_code == Exit.SETUP
    assert "class b has 0 images" in result.stderr
    assert ("photos.labels.jsonl: hangtag train photos --labels" in result.stderr) == has_labels
