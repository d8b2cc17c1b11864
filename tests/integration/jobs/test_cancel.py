"""`hangtag cancel` of a job that is held: each line reports what `status` shows afterwards."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from producer.job.snapshot import JobState, JobView, read_snapshot
from producer.job_control import cancel as command
from producer.run.job import Job
from shared import keys
from shared.broker.runtime_paths import private_stack_dir, socket_path
from shared.errors import BrokerAway, Exit, SetupError, UsageError
from shared.settings import Settings
from tests.support.jobs.finished_job import ID, finish, options_of
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output of a job that has no table yet."""
    monkeypatch.setattr(command, "UNKNOWN_S", 0.0)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/1.png").write_bytes(b"1")
    finish(options_of(tmp_path, b"photos"), stop_after=0)
    return tmp_path / "out.csv"


def producer_of(output: Path) -> Job:
    """The job as its producer holds it."""
    return Job(options_of(output.parent, b"photos"))


def view_of(output: Path) -> JobView:
    view = read_snapshot(output)
    assert view is not None
    return view


def state_in_redis(server: RedisServer) -> bytes | None:
    return server.client.hget(keys.job(ID, "record"), "state")  # type: ignore[return-value]


def run(server: RedisServer) -> Settings:
    """Add the job to a server; the settings that select it."""
    server.client.hset(keys.job(ID, "record"), "state", "running")
    return Settings(redis_url=server.url)


def test_a_finished_job_that_is_rendered_again_is_finished(output: Path) -> None:
    finish(options_of(output.parent, b"photos"))
    settings = Settings(redis_url=f"unix://{output.parent}/no.sock")
    with closing(producer_of(output)), pytest.raises(UsageError, match=f"job {ID} is finished"):
        command.cancel(str(output), settings)


def ended_early(job: Job) -> None:
    job.close()


def wrote_its_table(job: Job) -> None:
    job.journal.put(exit=b"%d" % Exit.OK)
    job.close()


@pytest.mark.parametrize(
    ("end", "line", "state"),
    [
        (ended_early, f"job {ID} is cancelled; 0 of 1 image are done", JobState.CANCELLED),
        (wrote_its_table, f"job {ID} is finished; there is nothing to cancel", JobState.FINISHED),
    ],
)
def test_a_producer_that_ends_without_recording_it(
    output: Path, server: RedisServer, end: Callable[[Job], None], line: str, state: JobState
) -> None:
    """It is killed, or its last row was done before."""
    producer, settings = producer_of(output), run(server)
    with ThreadPoolExecutor() as threads:
        cancelling = threads.submit(command.cancel, str(output), settings)
        wait_for("the order", lambda: state_in_redis(server) == b"cancelled")
        end(producer)
        error = cancelling.exception()
    said = str(error) if error else command.line(cancelling.result())
    assert said == line
    assert isinstance(error, UsageError | None)
    assert view_of(output).state is state


def test_a_stack_that_does_not_answer_may_know_the_job(output: Path, server: RedisServer) -> None:
    settings = Settings(runtime_dir=str(server.folder / "run"))
    private_stack_dir(settings)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(socket_path(settings)))
    with closing(producer_of(output)), pytest.raises(BrokerAway, match="Redis does not answer"):
        command.cancel(str(output), settings)


def test_a_job_of_another_store_names_the_setting_while_this_store_has_no_stack(
    output: Path, server: RedisServer
) -> None:
    settings = Settings(runtime_dir=str(server.folder / "run"), store=str(server.folder / "store"))
    with closing(producer_of(output)), pytest.raises(SetupError, match="or HANGTAG_STORE that it"):
        command.cancel(str(output), settings)
