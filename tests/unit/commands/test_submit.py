"""`hangtag submit` prints the id of the job that it has started."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from producer.jobs.background import POLL_S, start
from producer.journal.snapshot import JobState, is_running, read_snapshot
from shared.errors import SetupError
from shared.settings import Settings
from tests.support.jobs.finished_job import ID, finish, options_of


def test_a_restart_that_has_not_started_yet_is_not_the_job_that_it_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The producer holds the journal of the old job while it waits for a server that hangs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/1.png").write_bytes(b"1")
    options = options_of(tmp_path, b"photos")
    finish(options, stop_after=0)
    server = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"redis://127.0.0.1:{server.getsockname()[1]}")
    held = []

    def end_when_it_was_seen() -> None:
        connection, _ = server.accept()
        held.append(is_running(tmp_path / "out.csv"))
        time.sleep(5 * POLL_S)
        server.close()
        connection.close()

    thread = threading.Thread(target=end_when_it_was_seen)
    thread.start()
    arguments = ["photos", "-o", "out.csv", "--restart"]
    with pytest.raises(SetupError, match=r"127\.0\.0\.1"):
        start(options, arguments, Settings.from_env())
    thread.join()
    assert held == [True]
    view = read_snapshot(tmp_path / "out.csv")
    assert view is not None
    assert (view.job, view.state) == (ID, JobState.PAUSED)
