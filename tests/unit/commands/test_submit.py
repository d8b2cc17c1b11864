"""`hangtag submit` prints the id of the job that it has started, and of no other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from producer.jobs.background import POLL_S, start
from producer.jobs.job import Job
from producer.journal.snapshot import JobState, is_running, read_snapshot
from shared.errors import Exit, SetupError, UsageError
from shared.settings import Settings
from tests.support.jobs.finished_job import ID, finish, options_of
from tests.support.processes.fleet import ROOT, wait_for


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two folders of images, and an unreachable broker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    for folder in ("photos", "--json"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(b"1")
    return tmp_path


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A server that accepts connections and does not reply."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HANGTAG_REDIS_URL", f"redis://127.0.0.1:{server.getsockname()[1]}")
        yield server


@pytest.mark.parametrize("more", [[], ["--restart"]])
def test_a_producer_that_has_not_connected_yet_has_not_started_its_job(
    here: Path, hanging: socket.socket, more: list[str]
) -> None:
    """It holds the journal of the job that it resumes or replaces while it waits for a server."""
    options = options_of(here, b"photos")
    finish(options, stop_after=0)
    held = []

    def end_when_it_was_seen() -> None:
        connection, _ = hanging.accept()
        held.append(is_running(here / "out.csv"))
        time.sleep(5 * POLL_S)
        hanging.close()
        connection.close()

    thread = threading.Thread(target=end_when_it_was_seen)
    thread.start()
    with pytest.raises(SetupError, match=r"127\.0\.0\.1"):
        start(options, ["photos", "-o", "out.csv", *more], Settings.from_env())
    thread.join()
    assert held == [True]
    view = read_snapshot(here / "out.csv")
    assert view is not None
    assert (view.job, view.state) == (ID, JobState.PAUSED)


def test_a_job_that_runs_already_is_refused(here: Path) -> None:
    options = options_of(here, b"photos")
    finish(options, stop_after=0)
    with closing(Job(options)), pytest.raises(UsageError, match="is already running"):
        start(options_of(here, b"--json"), ["-o", "out.csv", "--", "--json"], Settings.from_env())


def test_an_interrupt_says_that_the_job_continues(here: Path, hanging: socket.socket) -> None:
    command = submit("photos")
    connection, _ = hanging.accept()
    with connection:
        command.send_signal(signal.SIGINT)
        _, said = command.communicate()
        assert command.returncode == Exit.INTERRUPTED, said
        assert f"hangtag collect {here}/out.csv" in said
        assert is_running(here / "out.csv")
        hanging.close()
    wait_for("the end of the producer", lambda: not is_running(here / "out.csv"))


def test_a_folder_with_the_name_of_an_option_is_passed_on() -> None:
    command = submit("--", "--json")
    _, said = command.communicate()
    assert command.returncode == Exit.SETUP
    assert "does not answer" in said


def submit(*arguments: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "producer.cli", "submit", "-o", "out.csv", *arguments]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
