"""Keys that another client has overwritten with another type: what needs them stops and names the
key, and continues once it is deleted."""

from __future__ import annotations

import re

import pytest
import redis

from shared import keys
from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import wait_for

IMAGES = 960
PARTS = ("record", "payload", "owner", "deaths", "careful", "crashed", "done", "results", "trouble")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


def overwrite(client: redis.Redis, key: str) -> None:
    """Put a list there, or a string where Hangtag has a list."""
    with client.pipeline(transaction=True) as pipe:
        pipe.delete(key)
        if key == keys.CLASSIFY_QUEUE:
            pipe.set(key, "x")
        else:
            pipe.rpush(key, "x")
        pipe.execute()


@pytest.mark.parametrize("part", [*PARTS, "jobs", "queue"])
def test_a_job_stops_with_the_name_of_the_key_and_continues_once_it_is_deleted(
    stage: Scenario, part: str
) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    held = stage.catch(producer, worker)
    shared = {"jobs": keys.JOBS, "queue": keys.CLASSIFY_QUEUE}
    key = shared.get(part) or keys.job(held.job, part)
    worker.sleep()  # work must be left
    overwrite(stage.fleet.client, key)
    worker.wake()
    assert producer.wait() == Exit.SETUP, producer.story
    # The producer may report what a worker met before it meets the key itself.
    named = re.findall(r"the key '(.+)' in Redis is not Hangtag's; delete it", producer.log)
    assert named
    assert set(named) <= {key, keys.job(held.job, "*")}
    stage.fleet.client.delete(key)
    stage.check_finished(stage.classify())
    assert "Traceback" not in worker.log + producer.log
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("key", [keys.WORKERS, keys.CLASSIFY_QUEUE])
def test_a_worker_ends_with_the_name_of_a_key_that_it_needs(stage: Scenario, key: str) -> None:
    worker = stage.fleet.worker(1, HANGTAG_REFUSED_S="1")
    overwrite(stage.fleet.client, key)
    wait_for("its end", lambda: not worker.running)
    assert worker.wait() == Exit.SETUP, worker.story
    assert f"the key '{key}' in Redis is not Hangtag's; delete it" in worker.log
    assert "Traceback" not in worker.log
    started = stage.fleet.worker(1, ready=False)
    if key == keys.CLASSIFY_QUEUE:
        assert started.wait() == Exit.SETUP, started.story
        assert f"the key '{key}' in Redis is not Hangtag's; delete it" in started.log
