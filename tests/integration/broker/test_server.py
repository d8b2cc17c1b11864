"""The tests' own server does what the fault tests rely on."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.servers.redis_server import RedisServer, server_binaries


@pytest.fixture(params=server_binaries(), ids=lambda binary: binary.name)
def each(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    binary: Path = request.param
    with RedisServer(binary) as running:
        yield running


def test_a_killed_server_comes_back_with_nothing(each: RedisServer) -> None:
    each.client.set("key", "value")
    pid = each.pid
    each.restart()
    assert each.pid != pid
    assert each.client.get("key") is None


def test_a_server_can_be_put_back_to_an_earlier_moment(each: RedisServer) -> None:
    each.client.set("key", "before", px=60_000)
    snapshot = each.snapshot()
    each.client.set("key", "after")
    each.restart(snapshot)
    assert each.client.get("key") == b"before"
    assert 0 < each.client.pttl("key") <= 60_000


def test_a_full_server_refuses_writes_until_the_limit_is_lifted(each: RedisServer) -> None:
    each.limit_memory(1 << 16)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        each.client.mset({f"key{n}": bytes(1 << 16) for n in range(100)})
    each.limit_memory(0)
    assert each.client.set("more", bytes(1 << 16))


def test_a_frozen_server_answers_later(each: RedisServer) -> None:
    each.freeze()
    waker = threading.Timer(0.1, each.thaw)
    waker.start()
    assert each.client.ping()
    waker.join()


def test_closing_leaves_neither_process_nor_folder(each: RedisServer) -> None:
    pid, folder = each.pid, each.folder
    each.close()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
