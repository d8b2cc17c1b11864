"""A Redis with append-only files stops in the middle of a job and restarts from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared import keys
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.claims import claims, job_keys
from tests.support.jobs.recovery_times import SERVER_RESTARTED
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import BATCH_IMAGES
from tests.support.processes.stopwatch import Stopwatch
from tests.support.servers.redis_server import RedisServer

IMAGES = 800
TORN_BYTES = 7  #: cuts the last command short


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


@pytest.fixture
def server(server: RedisServer) -> Iterator[RedisServer]:
    """The same server, with append-only files."""
    server.close()
    with RedisServer(server.binary, "--appendonly", "yes", "--appendfsync", "everysec") as running:
        yield running


@pytest.mark.parametrize("end", [RedisServer.stop, RedisServer.kill], ids=["TERM", "KILL"])
def test_a_server_restarted_from_its_files_is_used_at_once(
    stage: Scenario, end: Callable[[RedisServer], None]
) -> None:
    server = stage.fleet.server
    worker = stage.fleet.worker()
    children = worker.children
    producer = stage.classify_without_repeats()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    end(server)
    stage.let_go(held)
    producer.wait_for_log("Redis has been unreachable since")
    worker.wait_for_log("does not answer")
    stage.check_outstanding(producer)
    server.start()
    back = Stopwatch()
    view = producer.view
    assert view is not None
    assert keys.job(held.job, "payload") in job_keys(server.client), "the files were not read"
    producer.wait_until_done(view.done + 1)
    SERVER_RESTARTED.check(back.seconds)
    stage.wait_for_result(held)
    stage.allow_repeats()
    stage.check_finished(producer)
    assert worker.children == children
    stage.check_nothing_runs(worker)


def test_a_file_without_the_last_second_costs_no_row(stage: Scenario) -> None:
    server = stage.fleet.server
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    view = producer.view
    assert view is not None
    written = appended(server).stat().st_size
    producer.wait_until_done(view.done + 5 * BATCH_IMAGES)
    held = stage.catch(producer, worker)
    assert held in claims(server.client)
    done = results(server, held.job)
    server.kill()
    with appended(server).open("r+b") as file:
        file.truncate(written - TORN_BYTES)
    server.start()
    assert 0 < results(server, held.job) < done, "nothing was lost"
    stage.let_go(held)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def appended(server: RedisServer) -> Path:
    """The append-only file that the server writes to."""
    (file,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    return file


def results(server: RedisServer, job: str) -> int:
    """The number of batches that the ledger lists as done."""
    return server.client.bitcount(keys.job(job, "done"))
