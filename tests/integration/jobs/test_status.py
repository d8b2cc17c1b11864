"""`hangtag status` on a server where other clients have written."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

import click
import msgspec
import pytest

from producer.job_control import status
from shared import keys
from shared.ledger import heartbeats
from shared.ledger.request_inbox import RequestInbox
from shared.messages.batch import JobRecord, encode_job
from shared.messages.requests import Promote, Request
from shared.settings import Settings
from tests.support.processes.in_process import run_with
from tests.support.servers.redis_server import RedisServer

JOB, OTHER = "abcdefgh", "bcdefghj"
RECORD = JobRecord(JOB, "fashion-mnist", 0, "0" * 64, "litert", 1, "out.csv", "here", 0.0)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def displayed_jobs(server: RedisServer) -> list[dict[str, object]]:
    """The JSON of `status`, after a check that the text works, too."""
    settings = Settings(redis_url=server.url)
    lines = [click.unstyle(line) for line in status.job_lines("", False, settings, print)]
    assert all(line.isprintable() for line in lines), "control characters reach the terminal"
    (text,) = status.job_lines("", True, settings, print)
    jobs: list[dict[str, object]] = msgspec.json.decode(text)
    assert len(lines) == 1 + len(jobs)
    return jobs


def run(server: RedisServer, job: str, **fields: object) -> None:
    """A job with a heartbeat."""
    record = encode_job(msgspec.structs.replace(RECORD, id=JOB))
    counts = {"record": record, "state": "running", "found": 9, "walking": 0, "rate": 2.0}
    server.client.hset(keys.job(job, "record"), mapping=counts | fields)  # type: ignore[arg-type]
    server.client.zadd(keys.JOBS, {job: heartbeats.server_ms(server.client) / 1000})


@pytest.mark.parametrize(
    "fields",
    [
        {"found": "1" + 400 * "0"},
        {"found": "1" + 30 * "0"},
        {"failed": "-1"},
        {"flagged": '{"depth": 1%s}' % (300 * "0")},
        {"rate": "1e-320"},
        {"rate": "1e308"},
        {"rate": "nan"},
        {"rate": "-inf"},
    ],
)
def test_invalid_figures_hide_no_job(server: RedisServer, fields: dict[str, str]) -> None:
    run(server, JOB)
    encoded = encode_job(msgspec.structs.replace(RECORD, id=OTHER))
    run(server, OTHER, **{"record": encoded, **fields})
    one, *others = displayed_jobs(server)
    assert (one["job"], one["images"], one["left_s"]) == (JOB, 9, 4.5)
    assert all(other["left_s"] is None for other in others)


@pytest.mark.parametrize("created", [-1e300, -1.0, 1e300])
def test_an_impossible_time_hides_no_job_and_no_request(
    server: RedisServer, created: float
) -> None:
    run(server, JOB)
    other = encode_job(msgspec.structs.replace(RECORD, id=OTHER, created=created))
    run(server, OTHER, record=other)
    assert {job["job"] for job in displayed_jobs(server)} == {JOB, OTHER}
    request = Request("later", Promote("mine@2"), "x" * 100_000, created)
    RequestInbox(server.client).submit(request)
    lines = status.job_lines("", False, Settings(redis_url=server.url), print)
    (line,) = (line for line in lines if "later" in line)
    assert len(line) < 1_000


def test_requests_that_another_client_overwrote_hide_no_job(server: RedisServer) -> None:
    run(server, JOB)
    server.client.set(keys.REQUESTS, "x")
    notices = list[str]()
    lines = status.job_lines("", False, Settings(redis_url=server.url), notices.append)
    assert [JOB in line for line in lines] == [False, True]
    assert ["'hangtag:3:requests'" in text for text in notices] == [True]


@pytest.mark.parametrize("field", ["output", "host"])
def test_a_record_with_a_text_that_is_no_path_or_host_hides_no_job(
    server: RedisServer, field: str
) -> None:
    run(server, JOB)
    changes = {"id": OTHER, field: "x" * 100_000}
    run(server, OTHER, record=encode_job(msgspec.structs.replace(RECORD, **changes)))
    assert [job["job"] for job in displayed_jobs(server)] == [JOB]


def test_an_error_of_a_server_reaches_the_terminal_without_control_characters(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse, args=(listener,), daemon=True).start()
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}"
        done = run_with(os.environ | {"HANGTAG_REDIS_URL": url}, "status", cwd=tmp_path)
        listener.shutdown(socket.SHUT_RDWR)
    assert done.code == 0, done.story
    (line,) = done.log.splitlines()
    assert "\\x1b[2J" in line
    assert line.isprintable()


def refuse(listener: socket.socket) -> None:
    """Reply to each client with an error that would clear a terminal."""
    with suppress(OSError):
        while True:
            with listener.accept()[0] as client:
                while client.recv(4096):
                    client.sendall(b"-ERR \x1b[2J\x07 out of order\r\n")


def test_a_record_under_another_name_and_an_invalid_key_hide_no_job(server: RedisServer) -> None:
    run(server, JOB)
    run(server, "\x1b[2J")
    server.client.set(keys.job(OTHER, "record"), "x")
    server.client.zadd(keys.JOBS, {OTHER: 1})
    assert [job["job"] for job in displayed_jobs(server)] == [JOB]
    assert server.client.zscore(keys.JOBS, OTHER) == 1
