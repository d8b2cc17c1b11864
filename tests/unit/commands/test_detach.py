"""`hangtag classify --detach` prints the id of the job that it has started, and of no other."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from producer.job.job_options import JobOptions
from producer.job.snapshot import JobState, is_running, read_snapshot
from producer.job_control.background_jobs import POLL_S, start
from shared.errors import Exit, SetupError, UsageError
from shared.settings import Settings
from tests.support.jobs.finished_job import ID, finish, options_of
from tests.support.processes.fleet import PATIENCE_S, PRODUCT_PROGRAM, ROOT, Producer


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two folders of images, and an unreachable broker."""
    monkeypatch.chdir(tmp_path)
    places = filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    for folder in ("photos", "--json"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(b"1")
    return tmp_path


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A server that accepts connections and does not reply."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
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
        begin(msgspec.structs.replace(options, restart=bool(more)), "photos", *more)
    thread.join()
    assert held == [True]
    view = read_snapshot(here / "out.csv")
    assert view is not None
    assert (view.job, view.state) == (ID, JobState.PAUSED)


def test_an_interrupt_names_the_command_that_follows_the_start(
    here: Path, hanging: socket.socket
) -> None:
    command = hangtag(here, "classify", "--detach", "-o", "out.csv", "photos")
    connection, _ = hanging.accept()
    with connection:
        command.signal(signal.SIGINT)
        assert command.wait() == Exit.INTERRUPTED, command.story
        assert f"hangtag classify {here}/out.csv" in command.log
        again = hangtag(here, "classify", "out.csv")
        again.wait_for_log("has not started yet")
        hanging.close()
    assert again.wait() == Exit.SETUP, again.story
    assert "did not start" in again.log
    assert f"{here}/out.csv.hangtag.log has the reason" in again.log


def test_no_module_of_the_current_folder_is_run(here: Path) -> None:
    for module in ("redis", "queue"):
        program = f"open({str(here / 'ran')!r}, 'w')\nraise SystemExit(5)\n"
        (here / f"{module}.py").write_text(program)
    with pytest.raises(SetupError, match="does not answer"):
        begin(options_of(here, b"photos"), "photos")
    assert not (here / "ran").exists()


def test_a_symbolic_link_in_the_place_of_the_log_is_not_followed(here: Path) -> None:
    target, log = here / "precious", here / "out.csv.hangtag.log"
    target.write_text("mine")
    log.symlink_to(target)
    with pytest.raises(UsageError, match=r"out\.csv\.hangtag\.log is a symbolic link; remove it"):
        begin(options_of(here, b"photos"), "photos")
    assert target.read_text() == "mine"
    assert log.is_symlink()


def begin(options: JobOptions, *arguments: str) -> str:
    return start(options, ["-o", "out.csv", *arguments], Settings.from_env())


def hangtag(here: Path, *arguments: str) -> Producer:
    streams = here / f"{len(arguments)}-streams"
    return Producer(arguments, here, dict(os.environ), streams, PRODUCT_PROGRAM)
