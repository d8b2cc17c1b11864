"""Requests are made ahead in order, within a bound of bytes, until their reader stops."""

from __future__ import annotations

import threading
import time

import pytest

from producer.sources.remote import requests_ahead
from producer.sources.remote.requests_ahead import Hold, Read, RequestsAhead
from shared.errors import Stopped

JOIN_S = 1.0
NAMES = [b"%03d" % n for n in range(60)]


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
    started = time.monotonic()
    ahead.close()
    assert time.monotonic() - started < 3 * JOIN_S
    ends.set()
