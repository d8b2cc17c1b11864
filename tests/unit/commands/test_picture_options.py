"""What `predict` needs to draw is named before any work."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from shared.errors import Exit


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file and an unreachable broker; a command that connects fails."""
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1.png").touch()
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
    assert "-m pip install -c" in result.stderr
