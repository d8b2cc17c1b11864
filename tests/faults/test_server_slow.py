"""Redis answers that it is loading, or does not answer at all, in the middle of a job."""

from __future__ import annotations

import time

import pytest

from shared.broker import TIMEOUT_S
from tests import gallery
from tests.fleet import wait_for
from tests.gallery import Gallery
from tests.server import RedisServer
from tests.stage import Stage

PICTURES = 800
#: A data set that takes a few seconds to load: the server waits this long at each key.
KEYS, KEY_US = 1_000, 4_000
SLOWLY = ("--key-load-delay", str(KEY_US), "--loading-process-events-interval-bytes", "1024")
LOADING_S = 2.0


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), PICTURES)


def test_a_server_that_is_loading_is_waited_for_with_its_message(stage: Stage) -> None:
    server = stage.fleet.server
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    server.client.mset({f"other:{n}": n for n in range(KEYS)})
    earlier = server.snapshot()
    server.kill()
    server.start(earlier, *SLOWLY, wait=False)
    begun = time.monotonic()
    stage.let_go(held)
    producer.wait_for_log("is loading the dataset in memory")
    wait_for("a worker that heard of it", lambda: "loading" in worker.log)
    stage.check_outstanding(producer)
    answered = wait_for("answers in vain", lambda: refused(server))
    wait_for("a loaded server", lambda: not persistence(server)["loading"])
    seconds = time.monotonic() - begun
    print(f"loaded for {seconds:.1f} s, {answered} refusals seen then, {refused(server)} in all")
    assert seconds > LOADING_S
    stage.check_finished(producer)
    assert "Redis is back" in producer.log
    stage.check_nothing_runs(worker)


def test_a_server_that_does_not_answer_is_noticed_when_its_time_is_up(stage: Stage) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    stage.fleet.server.freeze()
    frozen = time.monotonic()
    stage.let_go(held)
    producer.wait_for_log("Redis is away since")
    seconds = time.monotonic() - frozen
    print(f"noticed after {seconds:.1f} s")
    assert TIMEOUT_S - 1 < seconds < TIMEOUT_S + 5
    stage.check_outstanding(producer)
    stage.fleet.server.thaw()
    thawed = time.monotonic()
    producer.wait_for_log("Redis is back")
    print(f"back after {time.monotonic() - thawed:.1f} s")
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def refused(server: RedisServer) -> int:
    """How many commands were answered with LOADING. The test itself asks for INFO only."""
    errors = server.client.info("errorstats")
    return int(errors.get("errorstat_LOADING", {}).get("count", 0))


def persistence(server: RedisServer) -> dict[str, int]:
    return server.client.info("persistence")
