"""A request to end interrupts waits and nothing else."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from kombu.transport import redis as kombu_redis
from redis.exceptions import RedisError

from shared.broker.celery_app import make_app, send_hint
from shared.broker.message_filter import CLASSIFY_TASK
from shared.broker.redis_client import connect
from shared.broker.transport import HintTransport
from shared.errors import Stopped
from shared.keys import CLASSIFY_QUEUE
from shared.stop import Stop, Waits

TIMEOUT_S = 15
#: A wait that ended sooner was not waited for.
LONG_S = 60.0


@contextmanager
def requested(stop: Stop, after_s: float = 0.05) -> Iterator[None]:
    """Request the end from another thread, soon."""
    timer = threading.Timer(after_s, stop.request)
    timer.start()
    try:
        yield
    finally:
        timer.join()


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def waits(stop: Stop) -> Iterator[Waits]:
    with closing(Waits(stop)) as open_waits:
        yield open_waits


def test_the_current_wait_ends_at_once(stop: Stop, waits: Waits) -> None:
    started = time.monotonic()
    with requested(stop), pytest.raises(Stopped):
        waits.sleep(LONG_S)
    assert time.monotonic() - started < LONG_S


def test_a_signal_handler_may_request_the_end_of_a_wait_of_its_own_thread(
    stop: Stop, waits: Waits
) -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: stop.request())
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(Stopped):
            waits.sleep(LONG_S)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_after_a_request_no_wait_starts(stop: Stop, waits: Waits) -> None:
    stop.request()
    with pytest.raises(Stopped):
        waits.sleep(LONG_S)


def test_a_time_limit_ends_the_waits_of_one_job_and_not_those_of_another(stop: Stop) -> None:
    with closing(Waits(stop)) as limited, closing(Waits(stop)) as other:
        with limited.within(0.05), pytest.raises(Stopped):
            limited.sleep(LONG_S)
        assert limited.late
        other.check()


def silent_server(backlog: int) -> socket.socket:
    """It accepts as many connections as its backlog has room for, and sends nothing."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(backlog)
    return listener


def ends(stop: Stop, waits: Waits, url: str) -> None:
    """Check that a command at this address ends at a request, and leaves no socket open."""
    open_before = len(os.listdir("/proc/self/fd"))
    with connect(url, "test", LONG_S, waits) as client:
        client.connection_pool.connection_kwargs["socket_connect_timeout"] = LONG_S
        started = time.monotonic()
        with requested(stop, 0.2), pytest.raises(Stopped):
            client.ping()
        assert time.monotonic() - started < LONG_S
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_a_wait_for_a_reply_ends(stop: Stop, waits: Waits) -> None:
    with silent_server(1) as listener:
        ends(stop, waits, f"redis://127.0.0.1:{listener.getsockname()[1]}")


def test_a_wait_for_a_connection_ends(stop: Stop, waits: Waits) -> None:
    """The server's system answers no further connection while its backlog is full."""
    with silent_server(0) as listener, ExitStack() as filled:
        for _ in range(4):
            other = filled.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(listener.getsockname())
        with pytest.raises(TimeoutError):
            socket.create_connection(listener.getsockname(), 0.1)
        ends(stop, waits, f"redis://127.0.0.1:{listener.getsockname()[1]}")


def test_a_wait_for_a_handshake_of_tls_ends(stop: Stop, waits: Waits) -> None:
    with silent_server(1) as listener:
        ends(stop, waits, f"rediss://localhost:{listener.getsockname()[1]}")


@pytest.mark.parametrize("scheme", ["redis", "redis+socket"])
def test_a_wait_to_send_a_hint_ends(stop: Stop, waits: Waits, tmp_path: Path, scheme: str) -> None:
    """Its connections are made by kombu, and give an error of their own."""
    with silent_server(1) as listener, socket.socket(socket.AF_UNIX) as at_path:
        at_path.bind(str(tmp_path / "s"))
        at_path.listen(1)
        tcp = f"redis://127.0.0.1:{listener.getsockname()[1]}"
        app = make_app(tcp if scheme == "redis" else f"unix://{tmp_path}/s", "test", waits=waits)
        with app.connection_for_write() as connection:
            producer = app.amqp.Producer(connection)
            started = time.monotonic()
            with requested(stop), pytest.raises((Stopped, RedisError)):
                send_hint(app, CLASSIFY_TASK, CLASSIFY_QUEUE, "job", 0, producer=producer)
            assert time.monotonic() - started < TIMEOUT_S


def test_a_job_leaves_the_connections_of_other_applications_as_they_are(
    waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that calls Hangtag may use Celery itself."""
    monkeypatch.setattr(kombu_redis.Transport, "Channel", kombu_redis.Channel)
    app = make_app("unix:///run/redis.sock", "test", waits=waits)
    assert isinstance(app.connection_for_write().transport, HintTransport)
    assert kombu_redis.Transport.Channel is kombu_redis.Channel
