"""`hangtag status` on a server where other clients have written."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
import pytest

from producer.jobs import status
from shared import keys
from shared.ledger import heartbeats
from shared.messages.job_record import JobRecord, encode_job
from shared.settings import Settings
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


def test_a_record_under_another_name_and_an_invalid_key_hide_no_job(server: RedisServer) -> None:
    run(server, JOB)
    run(server, "\x1b[2J")
    server.client.set(keys.job(OTHER, "record"), "x")
    server.client.zadd(keys.JOBS, {OTHER: 1})
    assert [job["job"] for job in displayed_jobs(server)] == [JOB]
    assert server.client.zscore(keys.JOBS, OTHER) == 1
