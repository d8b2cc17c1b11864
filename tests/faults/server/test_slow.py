"""Redis is loading, or does not answer at all, at the start of a job or in its middle."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
import redis

from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.recovery_times import SERVER_THAWED
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import wait_for
from tests.support.processes.stopwatch import Stopwatch
from tests.support.servers.redis_server import RedisServer

TIMEOUT_S = 15
IMAGES = 800
#: A data set that loads for minutes, until the test sets the delay to 0: the server sleeps KEY_US
#: at each key. Between two replies it loads 1,024 bytes: one or two keys.
KEYS, KEY_US, VALUE_CHARS = 20_000, 20_000, 1_000
SLOWLY = ("--key-load-delay", str(KEY_US), "--loading-process-events-interval-bytes", "1024")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


def test_a_server_that_is_loading_at_the_start_is_retried(stage: Scenario) -> None:
    load_for_long(stage.fleet.server)
    submit = stage.fleet.producer(
        "classify", "--detach", FOLDER, "-o", str(stage.folder / "later.csv"), cwd=stage.gallery.cwd
    )
    waiting, limited, interrupted = (
        stage.classify(*options, "-o", str(stage.folder / f"{n}.csv"))
        for n, options in enumerate(((), ("--timeout", "1.5"), ()))
    )
    predict = stage.fleet.producer("predict", stage.gallery.paths[0], cwd=stage.gallery.cwd)
    for producer in (waiting, limited, interrupted, predict):
        producer.wait_for_log("is loading the dataset in memory")
    assert interrupted.interrupt() == Exit.INTERRUPTED, interrupted.story
    assert limited.wait() == Exit.INTERRUPTED, limited.story
    assert "Redis was not ready within --timeout; run the same command to retry" in limited.log
    assert persistence(stage.fleet.server)["loading"], "it was not loading for long enough"
    assert waiting.running, waiting.story
    submit.wait_for_log("the job has not started yet; it continues in the background, see: ")
    wait_for("the journal", (stage.folder / "later.csv.hangtag").exists)
    journals = sorted(path.name for path in stage.folder.glob("*.hangtag"))
    assert journals == ["0.csv.hangtag", "later.csv.hangtag"]
    stage.fleet.server.client.config_set("key-load-delay", 0)  # the rest loads at once
    waiting.wait_for_log("Redis is back")
    assert waiting.log.count("Redis has been unreachable since") == 1
    worker = stage.fleet.worker()
    assert waiting.wait() == Exit.OK, waiting.story
    stage.check_table((stage.folder / "0.csv").read_bytes())
    assert submit.wait() == Exit.OK, submit.story
    assert predict.wait() == Exit.OK, predict.story
    assert predict.out.startswith(f"{stage.gallery.paths[0]}: ")
    assert stage.hangtag("classify", str(stage.folder / "later.csv")).wait() == Exit.OK
    stage.check_table((stage.folder / "later.csv").read_bytes())
    stage.check_nothing_runs(worker)


def test_a_server_without_free_connections_at_the_start_is_retried(stage: Scenario) -> None:
    server = stage.fleet.server
    server.client.config_set("maxclients", server.client.info("clients")["connected_clients"])
    producer = stage.classify()
    producer.wait_for_log("refuses more connections")
    assert producer.running, producer.story
    server.client.config_set("maxclients", 1000)
    worker = stage.fleet.worker()
    stage.check_finished(producer)
    assert "does not answer" not in producer.log
    stage.check_nothing_runs(worker)


def load_for_long(server: RedisServer) -> None:
    """Restart it from a snapshot that loads for longer than any test waits."""
    server.client.config_set("rdbcompression", "no")
    server.client.mset({f"other:{n}": f"{n:0{VALUE_CHARS}}" for n in range(KEYS)})
    earlier = server.snapshot()
    server.kill()
    server.start(earlier, *SLOWLY, wait=False)
    wait_for("a server that is loading", lambda: is_loading(server))


def test_an_unresponsive_server_is_noticed_after_the_timeout(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify_without_repeats()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    stage.fleet.server.freeze()
    frozen = time.monotonic()
    stage.let_go(held)
    producer.wait_for_log("Redis has been unreachable since")
    seconds = time.monotonic() - frozen
    print(f"noticed after {seconds:.1f} s")
    assert TIMEOUT_S - 1 < seconds < TIMEOUT_S + 5
    stage.check_outstanding(producer)
    stage.fleet.server.thaw()
    thawed = Stopwatch()
    producer.wait_for_log("Redis is back")
    SERVER_THAWED.check(thawed.seconds)
    stage.wait_for_result(held)
    stage.allow_repeats()
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def is_loading(server: RedisServer) -> bool:

    with suppress(redis.ConnectionError):
        return bool(persistence(server)["loading"])
    return False


def persistence(server: RedisServer) -> dict[str, int]:
    return server.client.info("persistence")
