"""status --watch and workers --watch in a real terminal, on a real server."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from producer.job.job_index import IndexedJob, remember
from shared import keys
from shared.ledger import heartbeats
from shared.ledger.heartbeats import Heartbeat
from tests.support.jobs.finished_job import ID, finish, options_of
from tests.support.processes.fleet import ROOT
from tests.support.servers.redis_server import RedisServer
from tests.support.terminal.pty_run import run
from tests.support.terminal.screen import Screen

CTRL_C = b"\x03"
COLUMNS = 80


def environment(server: RedisServer, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HANGTAG")}
    own = {
        "HANGTAG_REDIS_URL": server.url,
        "HANGTAG_STORE": str(folder / "store"),
        "XDG_STATE_HOME": str(folder / "state"),  # no job of another test
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm",
    }
    return kept | own


def watched(
    command: str, server: RedisServer, folder: Path, before: str, change: Callable[[], None]
) -> tuple[list[str], int]:
    """Watch until `before` is displayed, change something, end it with Ctrl-C at the next drawing;
    the last screen and the exit code."""
    screen, drawn = Screen(COLUMNS), 0

    def on_output(terminal: int, text: str) -> None:
        nonlocal drawn
        screen.write(text)
        drawn += 1
        if drawn == 1:
            assert before in screen.text()
            change()
        elif drawn == 2:
            os.write(terminal, CTRL_C)

    done = run(
        [sys.executable, "-m", "producer.cli", command, "--watch"],
        columns=COLUMNS, env=environment(server, folder), cwd=folder, on_output=on_output,
    )  # fmt: skip
    return screen.text().splitlines(), done.code


def test_watched_jobs_are_drawn_over_the_last_ones_until_ctrl_c(
    server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def a_job_ends() -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos/a.png").write_bytes(b"a")
        finish(options_of(tmp_path, b"photos"))
        remember(IndexedJob(ID, str(tmp_path / "out.csv"), 0.0))

    lines, code = watched("status", server, tmp_path, "no jobs", a_job_ends)
    assert code == 0
    assert lines[0].split()[:2] == ["job", "state"]
    assert lines[1].split()[:2] == [ID, "finished"]
    assert lines[2:] == ["^C"]


def test_watched_workers_come_and_what_to_do_goes(server: RedisServer, tmp_path: Path) -> None:
    def a_worker_starts() -> None:
        beat = Heartbeat(
            "host:41:1", "render", 41, keys.CLASSIFY_QUEUE, ["41:1"], [], 7, 0.0, 0, 0, 0, {}
        )
        heartbeats.beat(server.client, beat, ttl_s=600)

    lines, code = watched("workers", server, tmp_path, "no worker is alive", a_worker_starts)
    assert code == 0
    assert [line.split()[0] for line in lines] == ["host", "render", "^C"]
