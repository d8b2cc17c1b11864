"""A path that is no table of a job: every command says what is there, and names a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.journal.job_index import IndexedJob, remember
from shared.errors import Exit
from tests.support.jobs import planted_journal

COMMANDS = [
    "table {}", "report {}", "compare {} f40.csv", "compare f40.csv {}", "collect {}",
    "status {}", "cancel {}", "forget {} --yes", "sort {} --into out --copy", "review {}",
]  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the table of a job, f40.csv, and a file that no job has written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HANGTAG_RUNTIME_DIR", str(tmp_path / "run"))
    planted_journal.plant(tmp_path / "f40.csv", [(b"a.png", 0, 0.9)])
    remember(IndexedJob("testjb01", str(tmp_path / "f40.csv"), 1.0))
    (tmp_path / "t90.csv").write_text("path,label\n")
    (tmp_path / "photos").mkdir()
    return tmp_path


def refusal(command: str) -> str:
    done = CliRunner().invoke(hangtag, command.split())
    assert done.exit_code == Exit.USAGE, done.output
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_without_a_journal_is_named_with_what_it_lacks_and_a_table(command: str) -> None:
    line = refusal(command.format("t90.csv"))
    assert line.startswith("hangtag: t90.csv has no journal (t90.csv.hangtag)"), line
    assert line.endswith("for example f40.csv"), line


@pytest.mark.parametrize("command", [*COMMANDS, "verify {}"])
def test_a_folder_is_no_table(command: str) -> None:
    line = refusal(command.format("photos"))
    assert line.startswith("hangtag: photos is a folder; "), line
    assert line.endswith("for example f40.csv"), line
