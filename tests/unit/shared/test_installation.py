"""Missing packages are named with the command that installs them; a stack is named by its code.

Each case is a separate environment with its own prefix, packages and metadata.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.processes.fleet import ROOT
from tests.support.processes.installations import Installation

COMMAND = "from shared import installation; print(installation.command('all', ['keras', 'x y']))"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A complete separate environment."""
    return Installation(tmp_path_factory.mktemp("complete") / "env", {})


def output_of(environment: Installation, program: str, path: Path = ROOT) -> str:
    """The output of a program that finds its modules at `path` first."""
    command = [str(environment.python), "-c", program]
    env = {"PYTHONPATH": str(path)}
    return subprocess.check_output(command, cwd="/", env=env, text=True).strip()


@pytest.mark.parametrize("source", ["checkout", "folder", "wheel", "gone", "index"])
def test_the_command_suits_the_source_of_the_installation(
    environment: Installation, tmp_path: Path, source: str
) -> None:
    site, origin = tmp_path / "site", tmp_path / "its source"
    shutil.copytree(ROOT / "shared", site / "shared")
    about = site / "hangtag-9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: hangtag\nVersion: 9\n")
    if source != "index":
        recorded = {"url": origin.as_uri(), "dir_info": {}}
        (about / "direct_url.json").write_text(json.dumps(recorded))
    if source == "folder":
        origin.mkdir()
        (origin / "pyproject.toml").touch()
        (origin / "constraints.txt").touch()
    elif source == "wheel":
        origin.touch()
    path = ROOT if source == "checkout" else site
    expected = {
        "checkout": ["-c", f"{ROOT}/constraints.txt", "-e", f"{ROOT}[all]"],
        "folder": ["-c", f"{origin}/constraints.txt", f"{origin}[all]"],
        "wheel": [f"{origin}[all]"],
    }.get(source, ["keras", "x y"])
    words = shlex.split(output_of(environment, COMMAND, path))
    assert words == [str(environment.python), "-m", "pip", "install", *expected]
