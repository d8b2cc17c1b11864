"""What is no stored file, but has the name of a log or lies beside one, is one line and no wait."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.sort_log.entry import Way
from producer.sorting import sort, sort_index
from shared.errors import Exit
from shared.labels.class_folders import SORT_LOG
from tests.support.jobs import sorted_job
from tests.support.jobs.sorted_job import tree

FILES = {"a/1.png": b"one", "b/1.png": b"uno"}
#: No command takes longer, also on a busy machine.
WAIT_S = 20.0


@pytest.fixture(autouse=True)
def check_nothing_waits(tmp_path: Path) -> Iterator[None]:
    """Ends the wait for a pipe, also in SQLite, which no signal ends; then the test fails."""
    ended, waited = threading.Event(), threading.Event()

    def feed() -> None:
        pause_s = WAIT_S
        while not ended.wait(pause_s):
            waited.set()
            pause_s = 0.2
            for pipe in filter(Path.is_fifo, tmp_path.rglob("*")):
                with suppress(OSError):
                    fd = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
                    os.write(fd, bytes(1 << 16))
                    os.close(fd)

    thread = threading.Thread(target=feed)
    thread.start()
    yield
    ended.set()
    thread.join()
    assert not waited.is_set(), "a command waits for a pipe"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path, FILES)


@pytest.fixture
def out(table: Path) -> Path:
    sort.sort(table, table.parent / "sorted", Way.MOVE)
    return table.parent / "sorted"


def socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)  # its path may be too long
        server.bind(path.name)


def device_at(path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root may make a device")
    os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero


KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a socket": socket_at,
    "a device": device_at,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a file": lambda path: path.symlink_to(__file__),
    "text": lambda path: path.write_text("path,label\n"),
    "another database": lambda path: path.write_bytes(b"Another format 2" + b"\0\0\1\1" * 9),
}


def line_of(*arguments: str) -> str:
    """The line with which a command fails."""
    result = CliRunner().invoke(hangtag, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == Exit.SETUP
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_refused_as_a_log(table: Path, out: Path, kind: str) -> None:
    log = out / SORT_LOG
    log.unlink()
    KINDS[kind](log)
    before, index = tree(out), os.listdir(sort_index._folder())
    into = (str(table), "--into", str(out), "--move")
    for arguments in (("--undo", str(out)), into, (*into, "--dry-run")):
        assert line_of("sort", *arguments).startswith(f"hangtag: {log}: "), arguments
    assert tree(out) == before
    assert os.listdir(sort_index._folder()) == index


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "a link to a file"])
def test_it_is_refused_by_those_who_look_for_an_image(table: Path, out: Path, kind: str) -> None:
    (out / SORT_LOG).unlink()
    KINDS[kind](out / SORT_LOG)
    assert str(out / SORT_LOG) in line_of("report", str(table), "-o", str(table) + ".html")


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind not in ("text", "another database")]
)
@pytest.mark.parametrize("suffix", ["-journal", "-wal"])
def test_it_is_refused_beside_a_log(table: Path, out: Path, kind: str, suffix: str) -> None:
    beside = Path(f"{out / SORT_LOG}{suffix}")
    beside.unlink(missing_ok=True)
    KINDS[kind](beside)
    assert beside.name in line_of("sort", "--undo", str(out))
    assert beside.name in line_of("report", str(table), "-o", str(table) + ".html")


def hot_journal(path: Path, names: Path) -> None:
    """A journal that SQLite rolls back, and whose end names another file, as that of a change of
    two databases does."""
    text = os.fsencode(names)
    with closing(sqlite3.connect(path, isolation_level=None)) as log:
        log.execute("PRAGMA journal_mode=DELETE")
        log.execute("PRAGMA cache_size=1")
        log.execute("PRAGMA cache_spill=ON")
        log.execute("BEGIN IMMEDIATE")
        log.execute("UPDATE file SET crc = zeroblob(100000)")
        data, journal = path.read_bytes(), Path(f"{path}-journal").read_bytes()
        log.execute("ROLLBACK")
    size = 4096
    count = len(text).to_bytes(4, "big"), sum(text).to_bytes(4, "big")
    end = (0x40000000 // size + 1).to_bytes(4, "big") + text + count[0] + count[1]
    path.write_bytes(data)
    Path(f"{path}-journal").write_bytes(journal + end + bytes.fromhex("d9d505f920a163d7"))


def test_a_journal_that_names_another_file_removes_nothing(out: Path, tmp_path: Path) -> None:
    """SQLite removes the named file after it has rolled such a journal back."""
    for name in ("mine.txt", "other.txt"):
        (tmp_path / name).write_text("mine")
    hot_journal(out / SORT_LOG, tmp_path / "mine.txt")
    assert "its journal names another file" in line_of("sort", "--undo", str(out))
    assert (tmp_path / "mine.txt").read_text() == "mine"
    with closing(sqlite3.connect(out / SORT_LOG)) as log:  # that the journal is such a one
        log.execute("SELECT count(*) FROM file").fetchone()
    assert not (tmp_path / "mine.txt").exists()
