"""What is missing is named with a command that installs it here; a stack is named by what is here.

Each case is an environment of its own: its own prefix, packages and metadata.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from shared import installation
from tests.support.processes.fleet import ROOT
from tests.support.processes.installations import Installation

NAME = "from shared import installation; print(installation.name())"
COMMAND = "from shared import installation; print(installation.command('all', ['keras', 'x y']))"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A complete environment of its own."""
    return Installation(tmp_path_factory.mktemp("complete") / "env", {})


def said(environment: Installation, program: str, path: Path = ROOT) -> str:
    """What a program says that finds its modules at `path` first."""
    command = [str(environment.python), "-c", program]
    env = {"PYTHONPATH": str(path)}
    return subprocess.check_output(command, cwd="/", env=env, text=True).strip()


def test_a_stack_is_named_by_the_environment_and_by_what_it_has(
    environment: Installation, tmp_path: Path
) -> None:
    complete = said(environment, NAME)
    assert complete == said(environment, NAME)
    assert len(complete) == installation.NAME_CHARS
    assert complete != installation.name(), "the packages are the same, the environment is not"
    (keras,) = environment.python.parent.parent.glob("lib/*/site-packages/keras")
    target = keras.readlink()
    keras.unlink()
    try:
        assert said(environment, NAME) != complete
    finally:
        keras.symlink_to(target)
    assert said(environment, NAME) == complete
    shutil.copytree(ROOT / "shared", tmp_path / "shared")
    assert said(environment, NAME, tmp_path) != complete, "other code, another stack"


@pytest.mark.parametrize("source", ["checkout", "folder", "wheel", "gone", "index"])
def test_the_command_suits_where_hangtag_was_installed_from(
    environment: Installation, tmp_path: Path, source: str
) -> None:
    site, origin = tmp_path / "site", tmp_path / "its source"
    shutil.copytree(ROOT / "shared", site / "shared")
    about = site / "hangtag-9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: hangtag\nVersion: 9\n")
    if source != "index":
        told = {"url": origin.as_uri(), "dir_info": {}}
        (about / "direct_url.json").write_text(json.dumps(told))
    if source == "folder":
        origin.mkdir()
        (origin / "pyproject.toml").touch()
    elif source == "wheel":
        origin.touch()
    path = ROOT if source == "checkout" else site
    expected = {
        "checkout": ["-e", f"{ROOT}[all]"],
        "folder": [f"{origin}[all]"],
        "wheel": [f"{origin}[all]"],
    }.get(source, ["keras", "x y"])
    words = shlex.split(said(environment, COMMAND, path))
    assert words == [str(environment.python), "-m", "pip", "install", *expected]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["keras"], "keras is missing; add it with: "),
        (["keras", "numpy"], "keras and numpy are missing; add them with: "),
        (["a", "b", "c"], "a, b and c are missing; add them with: "),
    ],
)
def test_what_is_missing_is_listed_as_in_a_sentence(names: list[str], words: str) -> None:
    assert installation.lacks(names, "all").startswith(words)


def test_nothing_missing_is_nothing_to_say() -> None:
    assert installation.missing({"shared": "hangtag"}, "all") == ""
