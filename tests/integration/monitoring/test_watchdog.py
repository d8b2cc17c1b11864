"""The watchdog's decisions on a real queue, with its default limit, on a clock of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from shared import keys
from shared.broker import transport
from shared.broker.redis_client import connect
from shared.settings import Settings
from tests.support.servers.redis_server import RedisServer
from worker.lifecycle import watchdog
from worker.lifecycle.watchdog import CHECKS, Watchdog

LIMIT_S = Settings().watchdog_s
QUEUES = (keys.CLASSIFY_QUEUE, keys.TRAIN_QUEUE)


class Clock(threading.Event):
    """Time passes only while the watchdog waits for its next check.

    `before` is called ahead of each check with its number, and may let more time pass.
    """

    def __init__(self, checks: int, before: Callable[[int], object]) -> None:
        super().__init__()
        self.start = self.now = float(round(time.monotonic()))
        self.received = 0.0  #: when this process took its last hint
        self._left, self._before = iter(range(checks)), before

    def wait(self, timeout: float | None = None) -> bool:
        number = next(self._left, None)
        if number is None:
            return True
        self.now += timeout or 0.0
        self._before(number)
        return False


@pytest.fixture(params=QUEUES)
def queue(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def actions(
    server: RedisServer,
    queue: str,
    rounds: float,
    before: Callable[[Clock, int], object] = lambda clock, check: None,
    is_busy: Callable[[], bool] = lambda: False,
) -> list[float]:
    """When the watchdog acts within this many limits, in limits since its start."""
    acted: list[float] = []
    clock = Clock(int(rounds * CHECKS), lambda check: before(clock, check))
    with (
        connect(server.url, "watchdog") as client,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(watchdog, "time", SimpleNamespace(monotonic=lambda: clock.now))
        patch.setattr(transport, "last_receipt", lambda: clock.received)
        dog = Watchdog(
            client, [queue], LIMIT_S, is_busy,
            lambda: acted.append((clock.now - clock.start) / LIMIT_S),
        )  # fmt: skip
        dog._stopped = clock
        dog.run()
    return acted


def test_it_acts_after_its_limit_and_again_if_that_did_not_help(
    server: RedisServer, queue: str
) -> None:
    server.client.lpush(queue, b"hint")
    assert actions(server, queue, 2.5) == [1.0, 2.0]


def test_it_does_not_act_on_a_busy_worker_or_an_empty_queue(
    server: RedisServer, queue: str
) -> None:
    assert actions(server, queue, 3) == []
    server.client.lpush(queue, b"hint")
    assert actions(server, queue, 3, is_busy=lambda: True) == []


def test_it_does_not_act_while_other_workers_take_hints(server: RedisServer, queue: str) -> None:
    """At one check in each limit they have taken them all."""

    def takes(clock: Clock, check: int) -> None:
        server.client.delete(queue)
        if check % (CHECKS - 1):
            server.client.lpush(queue, b"hint")

    assert actions(server, queue, 4, takes) == []


def test_a_hint_that_this_worker_takes_starts_its_limit_again(
    server: RedisServer, queue: str
) -> None:
    def takes(clock: Clock, check: int) -> None:
        if check == CHECKS // 2 - 1:
            clock.received = clock.now

    server.client.lpush(queue, b"hint")
    assert actions(server, queue, 2.5, takes) == [1.5, 2.5]


def test_it_does_not_act_after_the_machine_was_suspended(server: RedisServer, queue: str) -> None:
    def sleeps(clock: Clock, check: int) -> None:
        clock.now += LIMIT_S * (check == CHECKS // 2)

    server.client.lpush(queue, b"hint")
    assert actions(server, queue, 1, sleeps) == []


def test_it_does_not_act_while_the_server_is_unreachable(server: RedisServer) -> None:
    server.client.lpush(keys.CLASSIFY_QUEUE, b"hint")
    server.kill()
    assert actions(server, keys.CLASSIFY_QUEUE, 1) == []
