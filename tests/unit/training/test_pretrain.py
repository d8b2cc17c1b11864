"""`python -m worker.pretrain`: folders of versions as teachers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shared.errors import SetupError
from shared.registry import packaged
from worker import pretrain
from worker.training.teachers import ARCHIVE, Teachers

SHIPPED = Path(packaged.__file__).parent / "packaged_model"


def test_a_folder_of_a_version_is_a_teacher() -> None:
    version = pretrain.teacher_version(SHIPPED, "fast")
    assert version.card == packaged.card()
    assert version.archive == packaged.read(ARCHIVE)
    assert Teachers(0, (version,)).names(5) == ("fashion-mnist@0",)
    alike = pretrain.teacher_version(SHIPPED, version.card.recipe)
    assert Teachers(1, (alike,)).names(5) == (f"seed {version.card.seed}", "seed 6")


@pytest.mark.parametrize("option", ["--out", "--state"])
def test_what_cannot_be_written_is_one_line_before_anything_is_trained(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    paths = {"--out": tmp_path / "out", "--state": tmp_path / "state"}
    paths[option] = tmp_path / "file" / "in a file"
    arguments = [text for name, path in paths.items() for text in (name, str(path))]
    assert pretrain.main(["--recipe", "tutorial", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "file") in line


@pytest.mark.parametrize(
    "arguments",
    [["--epochs", "0"], ["--epochs", "-1"], ["--recipe", "photo"], ["--recipe", "photo-fine"]],
    ids=" ".join,
)
def test_what_cannot_be_trained_is_a_usage_error(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as error:
        pretrain.main([*arguments, "--out", str(tmp_path)])
    assert error.value.code == 2


def test_a_damaged_folder_is_one_line_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--teacher", str(tmp_path / "absent"), "--out", str(tmp_path / "out")]
    assert pretrain.main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "name the folder of a version with --teacher" in line
    shutil.copy(SHIPPED / "card.json", tmp_path)
    (tmp_path / ARCHIVE).write_bytes(b"damaged")
    with pytest.raises(SetupError, match="does not match its card"):
        pretrain.teacher_version(tmp_path, "fast")
