"""Requests are made ahead in order, within a bound of bytes, until their reader stops."""

from __future__ import annotations

import threading
import time

import pytest

from producer.sources.remote.requests_ahead import Hold, Read, RequestsAhead
from shared.errors import Stopped

JOIN_S = 1.0
NAMES = [b"%03d" % n for n in range(60)]


def test_images_come_by_name_while_others_are_fetched() -> None:
    started = threading.Semaphore(0)
    go_on = threading.Event()

    def fetch(name: bytes, hold: Hold) -> Read:
        started.release()
        go_on.wait()
        hold(len(name))
        return name * 2, (len(name), 0)

    ahead = RequestsAhead(fetch, threads=4)
    ahead.announce(NAMES)
    for _ in range(4):  # as many at once as there are threads
        started.acquire()
    go_on.set()
    assert [ahead.read(name)[0] for name in NAMES] == [name * 2 for name in NAMES]
    ahead.close()


def test_the_bytes_that_wait_for_their_reader_are_bounded() -> None:
    size, most = 1000, 4500
    held, highest = 0, 0
    lock = threading.Lock()

    def fetch(name: bytes, hold: Hold) -> Read:
        nonlocal held, highest
        hold(size)
        with lock:
            held += size
            highest = max(highest, held)
        return bytes(size), (size, 0)

    ahead = RequestsAhead(fetch, threads=8, max_bytes=most)
    ahead.announce(NAMES)
    for name in NAMES:
        ahead.read(name)
        with lock:
            held -= size
    ahead.close()
    assert 2 * size < highest <= most + size  # one more for its reader, which waits


def test_an_image_larger_than_the_bound_is_read_and_one_that_was_not_announced() -> None:
    def fetch(name: bytes, hold: Hold) -> Read:
        hold(10 if name == b"small" else 1000)
        return name, (1, 0)

    ahead = RequestsAhead(fetch, threads=2, max_bytes=100)
    ahead.announce([b"large-1", b"large-2", b"large-3", b"small"])
    assert ahead.read(b"other")[0] == b"other"  # all threads wait for room
    assert [ahead.read(b"large-%d" % n)[0] for n in (1, 2, 3)]
    assert ahead.read(b"small")[0] == b"small"
    ahead.close()


def test_an_error_belongs_to_its_reader_alone() -> None:
    def fetch(name: bytes, hold: Hold) -> Read:
        if name == NAMES[3]:
            raise ValueError("no")
        return name, (1, 0)

    ahead = RequestsAhead(fetch, threads=2)
    ahead.announce(NAMES)
    for name in NAMES:
        if name == NAMES[3]:
            with pytest.raises(ValueError, match="no"):
                ahead.read(name)
        else:
            assert ahead.read(name)[0] == name
    ahead.close()


def test_a_reader_that_is_to_stop_does_not_wait_for_a_silent_server() -> None:
    ends, stop = threading.Event(), threading.Event()

    def fetch(name: bytes, hold: Hold) -> Read:
        stop.set()
        ends.wait()
        return name, (1, 0)

    def check() -> None:
        if stop.is_set():
            raise Stopped

    ahead = RequestsAhead(fetch, check, threads=2)
    with pytest.raises(Stopped):
        ahead.read(NAMES[0])
    ends.set()
    ahead.close()


def test_closing_waits_for_the_request_of_a_name_that_was_not_announced() -> None:
    begun, ends, ended = (threading.Event() for _ in range(3))

    def fetch(name: bytes, hold: Hold) -> Read:
        begun.set()
        ends.wait()
        time.sleep(0.1)
        ended.set()
        return name, (1, 0)

    def check() -> None:
        if begun.is_set():
            raise Stopped

    ahead = RequestsAhead(fetch, check)
    with pytest.raises(Stopped):
        ahead.read(NAMES[0])
    ends.set()
    ahead.close()
    assert ended.is_set()


def test_closing_waits_once_for_all_requests_that_nothing_ends() -> None:
    begun, ends = threading.Semaphore(0), threading.Event()  # as names that are being resolved

    def fetch(name: bytes, hold: Hold) -> Read:
        begun.release()
        ends.wait()
        return name, (1, 0)

    ahead = RequestsAhead(fetch, threads=8)
    ahead.announce(NAMES)
    for _ in range(8):
        begun.acquire()
    started = time.monotonic()
    ahead.close()
    assert time.monotonic() - started < 3 * JOIN_S
    ends.set()


def test_each_name_is_requested_once_however_many_are_announced() -> None:
    asked: list[bytes] = []

    def fetch(name: bytes, hold: Hold) -> Read:
        asked.append(name)
        hold(10)
        return name, (1, 0)

    ahead = RequestsAhead(fetch, threads=4, max_bytes=100)
    many = [b"%05d" % n for n in range(3000)]
    for start in range(0, len(many), 1000):
        ahead.announce(many[start : start + 1000])
        ahead.announce(many[start + 500 :])
        for name in many[start : start + 1000]:
            assert ahead.read(name)[0] == name
    assert sorted(asked) == many
    ahead.close()
