"""Connections lead to addresses of the network that were checked, and to no others."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import httpcore
import pytest

from producer.sources.remote import requests_ahead
from producer.sources.remote.checked_network import CheckedNetwork, Refused
from producer.sources.remote.requests_ahead import Hold, Read, RequestsAhead
from shared.errors import Stopped

LOCAL = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "169.254.1.1", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:169.254.1.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
]  # fmt: skip
METADATA = [
    "169.254.169.254", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::169.254.169.254",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::", "fd00:ec2::254",
    "100.100.100.200", "169.254.170.2", "192.0.0.192", "168.63.129.16",
]  # fmt: skip
PUBLIC = ["93.184.216.34", "10.1.2.3", "192.168.1.1", "2606:2800:21f::1", "64:ff9b::5db8:d822"]
JOIN_S = 1.0
NAMES = [b"%03d" % n for n in range(60)]


@pytest.mark.parametrize(
    ("text", "local", "only_here"),
    [
        *((text, False, False) for text in LOCAL),
        *((text, local, False) for text in METADATA for local in (False, True)),
        *((text, local, True) for text in PUBLIC for local in (False, True)),
    ],
)
def test_an_address_is_refused_that_the_settings_do_not_allow(
    text: str, local: bool, only_here: bool
) -> None:
    """This machine without leave, credentials of a cloud in any case, and others unencrypted."""
    with pytest.raises(Refused):
        CheckedNetwork(local, only_here).connect_tcp(text, 1)


@pytest.mark.parametrize("host", ["localhost", "0x7f.1", "2130706433", "127.1", "017700000001"])
def test_another_spelling_of_this_machine_is_this_machine(host: str) -> None:
    with pytest.raises(Refused):
        CheckedNetwork(local=False).connect_tcp(host, 1)


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that leads to this machine a moment later leads nowhere."""
    answers = ["192.0.2.1", "127.0.0.1"]
    tried: list[Any] = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        found = answers.pop(0) if host == "rebound.example" else host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]

    def connect(self: socket.socket, place: Any) -> None:
        tried.append(place)
        raise OSError(111, "refused")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", connect)
    network = CheckedNetwork(local=False)
    with pytest.raises(httpcore.ConnectError):
        network.connect_tcp("rebound.example", 443)
    assert tried == [("192.0.2.1", 443)]
    with pytest.raises(Refused):
        network.connect_tcp("rebound.example", 443)
    assert len(tried) == 1


def test_a_name_with_one_forbidden_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443))
        for each in ("192.0.2.1", "127.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Refused):
        CheckedNetwork(local=False).connect_tcp("both.example", 443)


def test_a_host_without_an_address_is_none() -> None:
    with pytest.raises(Refused, match="no such host"):
        CheckedNetwork(local=False).connect_tcp("a" * 70 + ".example", 443)


def test_a_connection_that_opens_while_all_are_closed_is_closed_too() -> None:
    network = CheckedNetwork(local=True)
    closing = threading.Thread(target=network.close)

    class Opened(socket.socket):
        def __hash__(self) -> int:  # called when it is noted as open
            if closing.ident is None:
                closing.start()
                closing.join(0.5)
            return super().__hash__()

    near, far = socket.socketpair()
    with far, Opened(fileno=near.detach()) as opened:
        network.add(opened)
        far.settimeout(5)
        assert far.recv(1) == b""
        closing.join()
        with pytest.raises(httpcore.ConnectError, match="closed"):
            network.add(opened)


def test_the_bytes_that_wait_for_their_reader_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    size, most = 1000, 4500
    monkeypatch.setattr(requests_ahead, "MAX_BYTES", most)
    held, highest = 0, 0
    lock = threading.Lock()

    def fetch(name: bytes, hold: Hold) -> Read:
        nonlocal held, highest
        hold(size)
        with lock:
            held += size
            highest = max(highest, held)
        return bytes(size), (size, 0)

    ahead = RequestsAhead(fetch)
    ahead.announce(NAMES)
    for name in NAMES:
        ahead.read(name)
        with lock:
            held -= size
    ahead.close()
    assert 2 * size < highest <= most + size  # one more for its reader, which waits


def test_closing_ends_the_requests_that_wait_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_ahead, "MAX_BYTES", 2)
    read, has_room = list[bytes](), threading.Semaphore(0)

    def fetch(name: bytes, hold: Hold) -> Read:
        hold(1)
        read.append(name)
        has_room.release()
        return name, (1, 0)

    ahead = RequestsAhead(fetch)
    ahead.announce(NAMES)
    for _ in range(2):
        has_room.acquire()
    ahead.close()
    assert len(read) == 2


def test_a_reader_that_is_to_stop_does_not_wait_for_a_silent_server() -> None:
    ends, stop = threading.Event(), threading.Event()

    def fetch(name: bytes, hold: Hold) -> Read:
        stop.set()
        ends.wait()
        return name, (1, 0)

    def check() -> None:
        if stop.is_set():
            raise Stopped

    ahead = RequestsAhead(fetch, check)
    with pytest.raises(Stopped):
        ahead.read(NAMES[0])
    ends.set()
    ahead.close()


def test_closing_waits_once_for_all_requests_that_nothing_ends() -> None:
    begun, ends = threading.Semaphore(0), threading.Event()  # as names that are being resolved

    def fetch(name: bytes, hold: Hold) -> Read:
        begun.release()
        ends.wait()
        return name, (1, 0)

    ahead = RequestsAhead(fetch)
    ahead.announce(NAMES)
    for _ in range(32):
        begun.acquire()
    assert not begun.acquire(timeout=0.5), "more than 32 requests at a time"
    started = time.monotonic()
    ahead.close()
    assert time.monotonic() - started < 3 * JOIN_S
    ends.set()
