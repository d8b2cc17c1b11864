"""Errors of `predict` and `dataset show` are one line and come before any work."""

from __future__ import annotations

import importlib.util
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.output import image_file
from shared.errors import Exit, SetupError

ROOT = Path(__file__).parents[3]


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


@pytest.mark.parametrize("module", ["matplotlib", "PIL"])
def test_missing_drawing_packages_are_named_before_anything_is_requested(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == module else found(name, *a)
    )
    result = run("predict", "1.png", "--plot", "out.png")
    assert result.exit_code == Exit.SETUP
    assert "--plot cannot draw: " in result.stderr
    assert "-m pip install -e" in result.stderr


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
