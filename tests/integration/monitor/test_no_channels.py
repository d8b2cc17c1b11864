"""No client can control a worker: it subscribes to no channel, and publishes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs import hostile_messages
from tests.support.processes import in_process
from tests.support.processes.fleet import SHORT_TIMES, Fleet, Launch, as_celery, as_product
from tests.support.servers.leftover_keys import check_none
from tests.support.servers.redis_server import RedisServer

IMAGES = 160


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


@contextmanager
def published(client: redis.Redis) -> Iterator[list[str]]:
    """The channels of all messages published in the block, filled in at its end."""
    found: list[str] = []
    with client.pubsub() as subscription:  # type: ignore[no-untyped-call]
        subscription.psubscribe("*")
        subscription.get_message(timeout=5)
        yield found
        while (message := subscription.get_message(timeout=0.2)) is not None:
            found.append(message["channel"].decode())


def subscribers(client: redis.Redis) -> int:
    """The number of connections that subscribe to channels."""
    return sum(int(one["sub"]) + int(one["psub"]) > 0 for one in client.client_list())


@pytest.mark.parametrize("launch", [as_product, as_celery])
def test_a_worker_subscribes_to_no_channel_and_publishes_nothing(
    server: RedisServer, images: Gallery, tmp_path: Path, launch: Launch
) -> None:
    with Fleet(server, **SHORT_TIMES) as fleet:
        worker = fleet.launched(launch)
        output = tmp_path / "out.csv"
        shutdown = hostile_messages.message(body=b'{"method": "shutdown", "arguments": {}}')
        with published(fleet.client) as channels:
            job = in_process.run(fleet, "classify", FOLDER, "-o", str(output), cwd=images.cwd)
            assert job.code == Exit.OK, job.story
            assert subscribers(fleet.client) == 1, "only the test's own subscription"
        assert channels == []
        for channel in ("/0.celery.pidbox", "hangtag:0.celery.pidbox", "celery.pidbox"):
            assert fleet.client.publish(channel, shutdown) == 0
        assert worker.running
        assert worker.end() == 0, worker.story
        check_none(fleet.client)
