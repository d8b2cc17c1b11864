"""The route to the server: its unix socket, or a TCP proxy with a delay."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import redis

from benchmarks.environment.paths import ROOT
from tests.support.servers.redis_server import RedisServer

#: A route is "", the unix socket, or the milliseconds that a proxy adds.
SOCKET = ""
PINGS = 200


@contextmanager
def way_to(server: RedisServer, way: str) -> Iterator[str]:
    """The server's URL for workers and producer."""
    if way == SOCKET:
        yield server.url
        return
    command = [sys.executable, "-m", "benchmarks.environment.delay_proxy", str(server.socket), way]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            yield f"redis://127.0.0.1:{int(proxy.stdout.readline())}/0"
        finally:  # otherwise the exit of `with` waits for it
            proxy.kill()


def ping_ms(url: str) -> float:
    """The median round trip, in ms."""
    with redis.Redis.from_url(url) as client:
        times = []
        for _ in range(PINGS):
            started = time.perf_counter()
            client.ping()
            times.append(time.perf_counter() - started)
    return median(times) * 1000


def formatted(way: str) -> str:
    """A route, for a table."""
    return "unix socket" if way == SOCKET else f"TCP proxy, {way} ms"
