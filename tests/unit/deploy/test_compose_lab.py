"""The lab reports why no container engine is available, and has a recipe for every image."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compose import bases
from tests.compose.lab import stand_ins
from tests.compose.lab.failure import LabFails
from tests.support.processes.fleet import ROOT


def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the lab with an engine that does not respond."""
    return subprocess.run(
        [sys.executable, "-m", "tests.compose.lab", *arguments], cwd=ROOT, text=True,
        capture_output=True, env=os.environ | {"DOCKER_HOST": "unix:///no/engine"}, timeout=60,
    )  # fmt: skip


def test_where_no_engine_can_run_the_command_does_not_and_the_step_gets_the_reason(
    tmp_path: Path,
) -> None:
    note = tmp_path / "note"
    done = lab("run", str(note), "touch", str(tmp_path / "ran"))
    assert done.stdout.startswith("compose cannot run here: no container engine"), done
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")
    assert note.read_text().startswith("cannot run here: no container engine")
    assert list(tmp_path.iterdir()) == [note]


def test_a_required_engine_that_does_not_run_is_an_error() -> None:
    done = lab("up")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done


def test_every_base_image_has_a_stand_in() -> None:
    assert bases.names()
    for name in bases.names():
        assert "FROM " in stand_ins.dockerfile(name)
    with pytest.raises(LabFails, match="no stand-in"):
        stand_ins.dockerfile("nginx:1")
