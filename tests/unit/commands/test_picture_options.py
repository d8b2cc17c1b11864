"""Errors of `predict` and `dataset show` are one line and come before any work."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.output import image_file
from shared.errors import Exit, SetupError

ROOT = Path(__file__).parents[3]
#: A module that is installed and cannot be loaded.
BROKEN = "raise ImportError('no such module')"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file and an unreachable broker; a command that connects fails."""
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1.png").touch()
    (tmp_path / "2.png").touch()
    (tmp_path / "photos.zip").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "there.png").write_text("mine")
    (tmp_path / "grid.png").write_text("mine")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hangtag, list(arguments))


def complaint(result: Result, code: Exit) -> str:
    """The one line of a command that must fail."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.isprintable()
    return line


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (["predict", "folder"], "hangtag classify"),
        (["predict", "photos.zip"], "hangtag classify"),
        (["predict", "absent.png"], "check the path"),
        (["predict", "1.png", "1.png"], "once"),
        (["predict", "1.png", "2.png", "--truth", "a", "--truth", "b", "--truth", "c"], "--truth"),
        (["predict", "1.png", "--model", "../x"], "model"),
        (["predict", "1.png", "--plot", "out.jpg"], ".png"),
        (["predict", "1.png", "--plot", "there.png"], "--force"),
        (["predict", "1.png", "--plot", "folder.png/x.png"], "create it"),
        (["predict", *[f"{i}.png" for i in range(61)], "--plot", "out.png"], "at most 60"),
        (["dataset", "show"], "--force"),
        (["predict", "there.png", "--plot", "there.png", "--force"], "another name"),
        (["predict", "1.png", "folder/../1.png", "--plot", "folder/../1.png", "--force"], "would"),
        (["dataset", "show", "-o", "there.png"], "is not a folder"),
        (["dataset", "show", "-o", "new", "--data", ""], "--data is empty"),
    ],
)
def test_a_wrong_command_line_names_the_fix(arguments: list[str], fix: str) -> None:
    assert fix in complaint(run(*arguments), Exit.USAGE)


@pytest.mark.parametrize(
    "arguments", [["predict", "1.png"], ["dataset", "show", "-o", "folder/new"]]
)
def test_an_unreachable_redis_names_the_setting(arguments: list[str], here: Path) -> None:
    assert "HANGTAG_REDIS_URL" in complaint(run(*arguments), Exit.SETUP)
    assert not [path for path in (here / "folder").rglob("*") if path.is_file()]


def test_too_many_images_name_the_command_for_jobs(here: Path) -> None:
    for i in range(1001):
        (here / f"folder/{i}.png").touch()
    names = [f"folder/{i}.png" for i in range(1001)]
    assert "hangtag classify" in complaint(run("predict", *names), Exit.USAGE)


@pytest.mark.parametrize("module", ["matplotlib", "PIL"])
def test_missing_drawing_packages_are_named_before_anything_is_requested(
    here: Path, module: str
) -> None:
    (here / "broken").mkdir()
    (here / f"broken/{module}.py").write_text(BROKEN)
    done = subprocess.run(
        [sys.executable, "-m", "producer.cli", "predict", "1.png", "--plot", "out.png"],
        env={**os.environ, "PYTHONPATH": f"{here / 'broken'}{os.pathsep}{ROOT}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == Exit.SETUP
    (line,) = done.stderr.splitlines()
    assert "-m pip install -e" in line


def test_a_plot_is_replaced_atomically_with_the_permissions_of_a_new_file(here: Path) -> None:
    (here / "plain").touch()
    image_file.write(Path("there.png"), b"new")
    assert (here / "there.png").read_bytes() == b"new"
    permissions = [stat.S_IMODE((here / name).stat().st_mode) for name in ("plain", "there.png")]
    assert permissions[0] == permissions[1]


def test_a_plot_that_cannot_be_written_leaves_nothing(here: Path) -> None:
    before = set(here.iterdir())
    with pytest.raises(SetupError, match="fix this"):
        image_file.write(here / "folder", b"new")  # a folder cannot be replaced by a file
    assert set(here.iterdir()) == before
