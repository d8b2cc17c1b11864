"""Journals of a newer Hangtag are refused in one line, and lose nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.job import job_index, property_table
from producer.job.journal import journal_path
from producer.monitor.doctor import Level, jobs
from producer.trainer.manage import of_this_machine
from shared.errors import Exit
from shared.process import machine_id
from shared.settings import Settings
from tests.support.jobs.finished_job import ID, finish, options_of

IMAGES = 3
Change = Callable[[sqlite3.Connection], None]


def with_new_field(key: str) -> Change:
    def change(database: sqlite3.Connection) -> None:
        fields = json.loads(property_table.get(database, key) or b"{}")
        property_table.put(database, **{key: json.dumps({**fields, "later": 1}).encode()})

    return change


def with_next_schema(database: sqlite3.Connection) -> None:
    property_table.put(database, schema=b"9")


NEWER: dict[str, Change] = {
    "schema": with_next_schema,
    "options": with_new_field("options"),
    "display": with_new_field("display"),
    "record": with_new_field("record"),
    "exit": lambda database: property_table.put(database, exit=b"99"),
    "number": lambda database: property_table.put(database, exit=b"-1"),
}
COMMANDS = {
    "status": ("status", "out.csv"),
    "verify": ("verify", "out.csv"),
    "table": ("table", "out.csv", "--accept", "95%"),
    "copy": ("table", "out.csv", "-o", "copy.csv"),
    "collect": ("collect", "out.csv"),
    "classify": ("classify", "photos", "-o", "out.csv"),
    "report": ("report", "out.csv"),
    "sort": ("sort", "out.csv", "--into", "sorted", "--copy"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished job."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for n in range(IMAGES):
        (tmp_path / f"photos/{n}.png").write_bytes(b"image %d" % n)
    options = options_of(tmp_path, b"photos")
    finish(msgspec.structs.replace(options, output=str(tmp_path / "out.csv")))
    return tmp_path


def make_newer(folder: Path, part: str) -> None:
    path = journal_path(folder / "out.csv")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        NEWER[part](database)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("part", NEWER)
def test_each_command_refuses_it_in_one_line_and_changes_nothing(folder: Path, part: str) -> None:
    make_newer(folder, part)
    before = contents(folder)
    for name, command in COMMANDS.items():
        if (part, name) == ("display", "status"):
            continue  # it displays no row
        result = CliRunner().invoke(hangtag, command)
        assert result.exit_code == Exit.SETUP, (command, result.output)
        (line,) = result.output.splitlines()
        assert "--restart" in line
        assert contents(folder) == before, command


@pytest.mark.parametrize("part", ["schema", "options", "record"])
def test_doctor_says_so_and_its_version_is_kept(folder: Path, part: str) -> None:
    entry = job_index.IndexedJob(ID, str(folder / "out.csv"), 0.0, "garments@3", machine_id())
    job_index.remember(entry)
    make_newer(folder, part)
    (unreadable,) = (found for found in jobs(Settings()) if found.level is Level.PROBLEM)
    assert "start over with --restart" in unreadable.fix
    assert of_this_machine("garments") == {
        3: f"job {ID} may be pinned to it; its journal is unreadable"
    }


def test_restart_starts_it_over(folder: Path) -> None:
    make_newer(folder, "schema")
    options = options_of(folder, b"photos")
    finish(msgspec.structs.replace(options, output=str(folder / "out.csv")), restart=True)
    assert CliRunner().invoke(hangtag, ["verify", "out.csv"]).exit_code == Exit.OK
