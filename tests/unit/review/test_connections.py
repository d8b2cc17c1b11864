"""Connections without the cookie are closed after a while, and sooner if they are many."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from producer.people.guard import Client, Connections

EARLIEST_CHECK = 2  # seconds
LAST_CHECK = 10  # seconds
MAX_WAITING = 100  # connections


class Closable:
    """Stands for a transport."""

    def __init__(self) -> None:
        self.is_closed = False

    def abort(self) -> None:
        self.is_closed = True


class Crowd:
    """Connections of clients that are numbered from 0."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.connections, self.loop = Connections(), loop
        self.transports: list[Closable] = []

    def open(self, count: int) -> None:
        async def opening() -> None:
            for _ in range(count):
                self.transports.append(Closable())
                self.connections.opened(client(len(self.transports) - 1), self.transports[-1])

        self.run(opening())

    def run(self, work: Coroutine[object, object, None]) -> None:
        """Run it in a thread: in that of the tests, a browser's loop may be running."""
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self.loop.run_until_complete, work).result()

    def check(self, times: int) -> list[int]:
        """The numbers of the connections that are closed after this number of checks."""
        for _ in range(times):
            self.connections.check()
        closed = [number for number, one in enumerate(self.transports) if one.is_closed]
        for number in closed:
            self.connections.ended(client(number))
        return closed


def client(number: int) -> Client:
    return ("127.0.0.1", number)


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    loop = asyncio.new_event_loop()
    yield Crowd(loop)
    loop.close()


def test_a_connection_without_the_cookie_is_closed_after_a_while(crowd: Crowd) -> None:
    crowd.open(3)
    assert crowd.connections.admit(client(1))
    assert crowd.check(LAST_CHECK - 1) == []
    assert crowd.check(1) == [0, 2]
    assert crowd.check(LAST_CHECK) == [0, 2]


def test_of_too_many_without_the_cookie_the_oldest_are_closed(crowd: Crowd) -> None:
    crowd.open(MAX_WAITING + 3)
    assert crowd.check(EARLIEST_CHECK - 1) == []
    assert crowd.check(1) == [0, 1, 2]
    crowd.open(1)
    assert crowd.check(1) == [0, 1, 2, 3]
