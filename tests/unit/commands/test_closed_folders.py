"""A folder that cannot be accessed costs its own job one line, and the other jobs nothing."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner, Result

from producer.cli.main import Commands, hangtag
from producer.job.job_index import IndexedJob, entries, remember
from shared.errors import Exit
from tests.support.jobs.finished_job import ID, finish, options_of
from tests.support.machine.unlistable_folders import obeying

ROOT = Path(__file__).parents[3]


class Places(NamedTuple):
    """A finished job in an open folder, and one in a closed folder."""

    open: Path
    closed: Path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/1.png").write_bytes(b"1")
    finish(options_of(tmp_path, b"photos"))
    remember(IndexedJob(ID, str(tmp_path / "out.csv"), 1.0))
    closed = tmp_path / "closed"
    closed.mkdir()
    for name in ("out.csv", "out.csv.hangtag"):
        shutil.copy(tmp_path / name, closed / name)
    remember(IndexedJob("testjb02", str(closed / "out.csv"), 2.0))
    (closed / "page.html").touch()
    closed.chmod(0)
    yield Places(tmp_path / "out.csv", closed / "out.csv")
    closed.chmod(0o700)


class Done(NamedTuple):
    """What a command printed."""

    code: int
    stdout: str
    stderr: str


#: Runs commands in one process, which imports once.
_ALL = """
import json, sys
from click.testing import CliRunner
from producer.cli.main import hangtag
for one in json.loads(sys.argv[1]):
    done = CliRunner().invoke(hangtag, one)
    print(json.dumps((done.exit_code, done.stdout, done.stderr)))
"""


def without_privileges(folder: Path, commands: list[list[str]]) -> list[Done]:
    command = [*obeying(folder), sys.executable, "-c", _ALL, json.dumps(commands)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "1000"}
    env |= {"HANGTAG_RUNTIME_DIR": f"{folder}/stack", "HANGTAG_STORE": f"{folder}/store"}
    env.pop("HANGTAG_REDIS_URL", None)
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=True)
    return [Done(*json.loads(line)) for line in done.stdout.splitlines()]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hangtag, arguments, env={"COLUMNS": "1000"})


def test_jobs_are_listed_and_found_beside_one_in_a_closed_folder(places: Places) -> None:
    commands = [["status"], ["status", "testjb02"], ["report", "unknown"], ["doctor"]]
    listed, alone, unknown, checked = without_privileges(places.open.parent, commands)
    assert (listed.code, listed.stderr) == (0, "")
    assert re.search(rf"{ID} +finished .* out.csv\n", listed.stdout)
    assert re.search(r" +unreadable .* closed/out.csv\n", listed.stdout)
    assert f"{places.closed}.hangtag: Permission denied" in alone.stderr
    assert unknown.code == Exit.USAGE
    assert unknown.stderr.startswith("hangtag: there is no job unknown; ")
    assert f"{places.closed}.hangtag: Permission denied" in checked.stdout
    assert len(entries()) == 2, "both entries stay"


def test_a_path_in_a_closed_folder_is_an_error_of_one_line(places: Places) -> None:
    commands = [
        ["verify", "closed/out.csv"],
        ["review", "closed/out.csv"],
        ["sort", "closed/out.csv", "--copy", "--into", "sorted"],
        ["report", "closed/out.csv"],
        ["report", "testjb02"],
        ["table", "closed/out.csv"],
        ["collect", "testjb02"],
        ["report", "out.csv", "-o", "closed/page.html"],
        ["table", "out.csv", "-o", "closed/copy.csv"],
        ["classify", "closed/photos"],
        ["classify", "photos", "-o", "closed/new.csv"],
    ]
    for typed, done in zip(commands, without_privileges(places.open.parent, commands), strict=True):
        assert done.code in (Exit.SETUP, Exit.USAGE), typed
        assert done.code == Exit.SETUP or typed != ["classify", "closed/photos"]
        (line,) = done.stderr.splitlines()
        assert re.fullmatch("hangtag: .*closed.*Permission denied.*; .*", line), typed


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ESTALE, "Stale file handle", b"/nfs/a"), "/nfs/a: Stale file handle"),
        (OSError(errno.EIO, "Input/output error", 7), "Input/output error"),
        (TimeoutError("too late"), "too late"),
    ],
)
def test_an_error_that_no_command_expects_is_one_line(error: OSError, line: str) -> None:
    @click.command()
    def fail() -> None:
        raise error

    group = Commands("hangtag")
    group.commands = {"fail": fail}
    result = CliRunner().invoke(group, ["fail"], env={"COLUMNS": "1000"})
    assert result.exit_code == Exit.SETUP
    assert result.stderr == f"hangtag: {line}; fix this and run the same command again\n"
    error.errno = errno.EPIPE
    assert CliRunner().invoke(group, ["fail"]).stderr == "", "the reader has ended"
