"""A path that is a pipe, a device or a file of the kernel is refused in one line, at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.job import job_index
from shared.errors import Exit
from tests.support.jobs.finished_job import ID, finish, options_of

#: Nothing here works for longer.
LIMIT_S = 10
JOURNAL, CORRECTIONS = "out.csv.hangtag", "out.csv.corrections.jsonl"
#: Has data whenever it is read, and no end; never ends an open; never has data.
ENDLESS, PIPE, KERNEL = "/dev/zero", "pipe", "/proc/self/maps"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder with a finished job, a state of its own and no server."""
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in ("1.png", "2.png"):
        (tmp_path / "in" / name).write_text(name)
    finish(options_of(tmp_path, b"in"))
    job_index.remember(job_index.IndexedJob(ID, str(tmp_path / "out.csv"), 1.0))
    os.mkfifo(PIPE)
    return tmp_path


@contextmanager
def within_limit() -> Iterator[None]:
    """Fail what waits. SQLite opens a file again when a signal interrupts it, until the pipe has
    another end."""

    def expired(number: int, frame: object) -> None:
        raise AssertionError("the command waits")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(LIMIT_S)
    ends = threading.Timer(LIMIT_S, lambda: os.open(JOURNAL, os.O_RDWR | os.O_NONBLOCK))
    ends.start()
    try:
        yield
    finally:
        ends.cancel()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(*arguments: str) -> tuple[int, str]:
    """The exit code and the standard error, without a traceback."""
    with within_limit():
        result = CliRunner().invoke(hangtag, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stderr


def one_line(arguments: tuple[str, ...], about: str) -> str:
    code, text = run(*arguments)
    assert code in (Exit.SETUP, Exit.USAGE), (code, text)
    lines = text.replace("\n         ", " ").splitlines()  # a long line is wrapped
    assert len(lines) == 1, text
    assert about in lines[0], text
    return lines[0]


def replace(name: str, kind: str) -> None:
    Path(name).unlink(missing_ok=True)
    if kind == PIPE:
        os.mkfifo(name)
    else:
        os.symlink(kind, name)


KINDS = pytest.mark.parametrize("kind", [PIPE, ENDLESS, KERNEL])
_SORT = ("sort", "out.csv", "--copy", "--into", "sorted")
#: Commands that open the journal of a table.
NAMING = [
    ("verify", "out.csv"),
    ("table", "out.csv"),
    ("report", "out.csv"),
    ("compare", "out.csv", "out.csv"),
    _SORT,
    ("review", "out.csv"),
    ("cancel", "out.csv"),
    ("collect", "out.csv"),
    ("forget", "out.csv", "--yes"),
    ("classify", "in", "-o", "out.csv"),
]


def refused(name: str, kind: str, *commands: tuple[str, ...]) -> None:
    replace(name, kind)
    for arguments in commands:
        one_line(arguments, name)


@KINDS
def test_a_journal_that_is_no_file_is_refused_and_listed(kind: str) -> None:
    refused(JOURNAL, kind, *NAMING)
    code, text = run("status")
    assert (code, text.count("Traceback")) == (Exit.OK, 0)
    with within_limit():
        found = CliRunner().invoke(hangtag, ["doctor"])
    assert JOURNAL in found.stdout.replace("\n", "")


@KINDS
def test_a_table_that_is_no_file_is_refused(kind: str) -> None:
    refused("out.csv", kind, ("verify", "out.csv"), ("table", "out.csv"))
    Path(JOURNAL).unlink()
    one_line(("verify", "out.csv"), "out.csv")


@KINDS
def test_corrections_that_are_no_file_are_refused(kind: str) -> None:
    reading = (("table", "out.csv"), ("report", "out.csv"), ("review", "out.csv"))
    refused(CORRECTIONS, kind, *reading, ("train", "in", "--corrections", "out.csv"))


@KINDS
def test_a_file_to_read_that_is_no_file_is_refused(kind: str) -> None:
    Path("x.keras").touch()
    imported = ("models", "import", "--name", "x")
    one_line(("classify", "-o", "x.csv", "--list", kind), kind)
    one_line((*imported, kind, "--labels", "labels"), kind)
    one_line((*imported, "x.keras", "--labels", kind), kind)


@KINDS
def test_a_credential_that_is_no_file_is_refused(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_REDIS_URL", "rediss://localhost:1")
    for variable in ("PASSWORD_FILE", "CA", "CERT", "KEY"):
        monkeypatch.setenv(f"HANGTAG_REDIS_{variable}", kind)
        one_line(("status",), kind)
        monkeypatch.delenv(f"HANGTAG_REDIS_{variable}")


def test_a_real_command_ends_soon_with_the_line(here: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "producer.cli", "verify", PIPE],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode in (Exit.SETUP, Exit.USAGE)
    assert "pipe, not a regular file" in ended.stderr
