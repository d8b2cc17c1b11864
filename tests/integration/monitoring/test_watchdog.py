"""When a watchdog bites: on a real queue, with a limit of a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from shared import keys
from shared.broker.redis_client import connect
from tests.support.servers.redis_server import RedisServer
from worker.lifecycle.watchdog import Watchdog

LIMIT_S = 1.0
QUEUES = (keys.CLASSIFY_QUEUE, keys.TRAIN_QUEUE)


@contextmanager
def watching(
    server: RedisServer, queue: str, is_busy: Callable[[], bool] = lambda: False
) -> Iterator[list[float]]:
    """The moments at which it has bitten, in seconds since it began."""
    begun, bites = time.monotonic(), list[float]()
    client = connect(server.url, "watchdog")
    dog = Watchdog(client, queue, LIMIT_S, is_busy, lambda: bites.append(time.monotonic() - begun))
    dog.start()
    yield bites
    dog.stop()
    dog.join()
    client.close()


@pytest.mark.parametrize("queue", QUEUES)
def test_it_bites_when_hints_wait_and_nobody_works_and_again_when_that_did_not_help(
    server: RedisServer, queue: str
) -> None:
    server.client.lpush(queue, b"hint")
    with watching(server, queue) as bites:
        time.sleep(2.8 * LIMIT_S)
    assert len(bites) == 2
    assert bites[0] >= LIMIT_S


@pytest.mark.parametrize("queue", QUEUES)
def test_it_does_not_bite_who_works_nor_where_nothing_waits(
    server: RedisServer, queue: str
) -> None:
    with watching(server, queue) as idle:
        time.sleep(2 * LIMIT_S)
    server.client.lpush(queue, b"hint")
    with watching(server, queue, lambda: True) as busy:
        time.sleep(2 * LIMIT_S)
    assert not idle
    assert not busy


def test_hints_that_others_take_in_between_are_no_reason(server: RedisServer) -> None:
    end = time.monotonic() + 3 * LIMIT_S
    with watching(server, keys.CLASSIFY_QUEUE) as bites:
        while time.monotonic() < end:
            server.client.lpush(keys.CLASSIFY_QUEUE, b"hint")
            time.sleep(LIMIT_S / 2)
            server.client.rpop(keys.CLASSIFY_QUEUE)
            time.sleep(LIMIT_S / 4)
    assert not bites


def test_a_server_that_is_away_is_no_reason(server: RedisServer) -> None:
    server.client.lpush(keys.CLASSIFY_QUEUE, b"hint")
    with watching(server, keys.CLASSIFY_QUEUE) as bites:
        server.kill()
        time.sleep(2 * LIMIT_S)
    assert not bites
