"""The tests' own server behaves as the fault tests require."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.servers.redis_server import RedisServer, server_binaries


@pytest.fixture(params=server_binaries(), ids=lambda binary: binary.name)
def running_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    binary: Path = request.param
    with RedisServer(binary) as opened:
        yield opened


def test_a_killed_server_restarts_empty(running_server: RedisServer) -> None:
    running_server.client.set("key", "value")
    pid = running_server.pid
    running_server.restart()
    assert running_server.pid != pid
    assert running_server.client.get("key") is None


def test_a_server_can_be_restored_to_a_snapshot(running_server: RedisServer) -> None:
    running_server.client.set("key", "before", px=60_000)
    snapshot = running_server.snapshot()
    running_server.client.set("key", "after")
    running_server.restart(snapshot)
    assert running_server.client.get("key") == b"before"
    assert 0 < running_server.client.pttl("key") <= 60_000


def test_a_full_server_refuses_writes_until_the_limit_is_lifted(
    running_server: RedisServer,
) -> None:
    running_server.limit_memory(1 << 16)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        running_server.client.mset({f"key{n}": bytes(1 << 16) for n in range(100)})
    running_server.limit_memory(0)
    assert running_server.client.set("more", bytes(1 << 16))


def test_a_suspended_server_replies_later(running_server: RedisServer) -> None:
    running_server.freeze()
    waker = threading.Timer(0.1, running_server.thaw)
    waker.start()
    assert running_server.client.ping()
    waker.join()


def test_closing_leaves_neither_process_nor_folder(running_server: RedisServer) -> None:
    pid, folder = running_server.pid, running_server.folder
    running_server.close()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
