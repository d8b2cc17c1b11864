"""CI runs the compose tests unless the last nightly passed them with the same inputs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.compose.changed import INPUTS, reason_to_run
from tests.steps import record
from tests.steps.record import Row
from tests.support.processes.fleet import ROOT


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with one input of the compose tests and one other file."""
    git(tmp_path, "init", "-q")
    write(tmp_path, "Dockerfile", "FROM scratch\n")
    write(tmp_path, "producer/sources/local/walk.py", "\n")
    commit(tmp_path)
    return tmp_path


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    return subprocess.run(
        ["git", "-C", root, *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def commit(root: Path) -> str:
    git(root, "add", "-A")
    git(root, "commit", "-qm", "test")
    return git(root, "rev-parse", "HEAD")


def table(root: Path, result: str, revision: str) -> Path:
    """Write the nightly page, outside the repository."""
    file = root.parent / f"{root.name}.md"
    unit = Row("unit", "passed", "5", "0", "0", "60", "2026-01-02 03:04", "0" * 10, "0" * 12, "-")
    compose = unit._replace(step="compose", result=result, commit=revision)
    record.write({"unit": unit, "compose": compose}, ("unit", "compose"), file)
    return file


def test_unchanged_inputs_need_no_second_run(clone: Path) -> None:
    first = git(clone, "rev-parse", "HEAD")
    write(clone, "producer/sources/local/walk.py", "# other tests run this\n")
    commit(clone)
    assert reason_to_run(clone, table(clone, "passed", first)) == ""
    assert reason_to_run(clone, table(clone, "passed", first[:7])) == ""


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("name", ["Dockerfile", "tests/compose/new.py"])
def test_a_changed_or_new_input_needs_a_run(clone: Path, name: str, committed: bool) -> None:
    first = git(clone, "rev-parse", "HEAD")
    (clone / "tests").mkdir()
    write(clone, name, "# changed\n")
    if committed:
        commit(clone)
    assert name in reason_to_run(clone, table(clone, "passed", first))


PROJECT_FILE = '[project]\nname = "x"\ndependencies = ["{0}"]\n[tool.ruff]\nline-length = {1}\n'


def test_only_what_an_installation_reads_of_the_project_file_is_an_input(clone: Path) -> None:
    write(clone, "pyproject.toml", PROJECT_FILE.format("click", 80))
    page = table(clone, "passed", commit(clone))
    write(clone, "pyproject.toml", PROJECT_FILE.format("click", 100))
    assert reason_to_run(clone, page) == ""
    write(clone, "pyproject.toml", PROJECT_FILE.format("celery", 100))
    assert "pyproject.toml" in reason_to_run(clone, page)
    (clone / "pyproject.toml").unlink()
    assert "pyproject.toml" in reason_to_run(clone, page)


@pytest.mark.parametrize("result", ["failed", "not run"])
def test_a_nightly_that_did_not_pass_needs_a_run(clone: Path, result: str) -> None:
    assert reason_to_run(clone, table(clone, result, git(clone, "rev-parse", "HEAD")))


def test_without_a_known_commit_a_run_is_needed(clone: Path) -> None:
    assert reason_to_run(clone, clone / "no page")
    changed = git(clone, "rev-parse", "HEAD") + "+"  # with uncommitted files
    assert reason_to_run(clone, table(clone, "passed", changed))
    assert "not in this clone" in reason_to_run(clone, table(clone, "passed", "abcdef0"))


def test_every_input_exists() -> None:
    """A file that is moved or renamed must be renamed in the list as well."""
    assert [name for name in INPUTS if not (ROOT / name).exists()] == []
