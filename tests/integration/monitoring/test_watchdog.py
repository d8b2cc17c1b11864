"""The watchdog's decisions on a real queue, with a limit of a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from shared import keys
from shared.broker.redis_client import connect
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer
from worker.lifecycle.watchdog import Watchdog

LIMIT_S = 1.0
QUEUES = (keys.CLASSIFY_QUEUE, keys.TRAIN_QUEUE)


@contextmanager
def watching(
    server: RedisServer, queue: str, is_busy: Callable[[], bool] = lambda: False
) -> Iterator[list[float]]:
    """The times at which the watchdog acts, in seconds since its start."""
    start_s, actions = time.monotonic(), list[float]()
    client = connect(server.url, "watchdog")
    dog = Watchdog(
        client, queue, LIMIT_S, is_busy, lambda: actions.append(time.monotonic() - start_s)
    )
    dog.start()
    yield actions
    dog.stop()
    dog.join()
    client.close()


@pytest.mark.parametrize("queue", QUEUES)
def test_it_acts_if_hints_wait_and_no_child_is_busy_and_again_if_that_did_not_help(
    server: RedisServer, queue: str
) -> None:
    server.client.lpush(queue, b"hint")
    with watching(server, queue) as actions:
        wait_for("two actions", lambda: len(actions) >= 2)
    assert actions[0] >= LIMIT_S
    assert actions[1] >= 2 * LIMIT_S


@pytest.mark.parametrize("queue", QUEUES)
def test_it_does_not_act_on_a_busy_worker_or_an_empty_queue(
    server: RedisServer, queue: str
) -> None:
    with watching(server, queue) as idle:
        time.sleep(2 * LIMIT_S)
    server.client.lpush(queue, b"hint")
    with watching(server, queue, lambda: True) as busy:
        time.sleep(2 * LIMIT_S)
    assert not idle
    assert not busy


def test_it_does_not_act_while_other_workers_take_hints(server: RedisServer) -> None:
    end = time.monotonic() + 3 * LIMIT_S
    with watching(server, keys.CLASSIFY_QUEUE) as actions:
        while time.monotonic() < end:
            server.client.lpush(keys.CLASSIFY_QUEUE, b"hint")
            time.sleep(LIMIT_S / 2)
            server.client.rpop(keys.CLASSIFY_QUEUE)
            time.sleep(LIMIT_S / 4)
    assert not actions


def test_it_does_not_act_while_the_server_is_unreachable(server: RedisServer) -> None:
    server.client.lpush(keys.CLASSIFY_QUEUE, b"hint")
    with watching(server, keys.CLASSIFY_QUEUE) as actions:
        server.kill()
        time.sleep(2 * LIMIT_S)
    assert not actions
