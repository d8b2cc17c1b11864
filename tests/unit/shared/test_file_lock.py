"""Locks on files exclude other descriptors, and waiting for one has a limit."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import file_lock


@pytest.fixture
def descriptors(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Of one file, opened twice."""
    opened = [os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2)]
    yield opened[0], opened[1]
    for fd in opened:
        os.close(fd)


def test_a_lock_that_is_held_is_neither_acquired_nor_shared(descriptors: tuple[int, int]) -> None:
    holder, other = descriptors
    assert file_lock.try_acquire(holder)
    assert not file_lock.try_acquire(other)
    assert not file_lock.try_share(other)


def test_a_lock_is_shared_and_then_not_acquired(descriptors: tuple[int, int]) -> None:
    holder, other = descriptors
    assert file_lock.try_share(holder)
    assert file_lock.try_share(other)
    assert not file_lock.try_acquire(other)


@pytest.mark.timeout(20)
def test_waiting_for_a_lock_ends_at_its_limit(descriptors: tuple[int, int]) -> None:
    holder, other = descriptors
    assert file_lock.acquire_within(holder, 0.0, 0.01)
    assert not file_lock.acquire_within(other, 0.05, 0.01)


def test_waiting_without_a_limit_ends_when_the_holder_closes_its_file(
    descriptors: tuple[int, int],
) -> None:
    holder, other = descriptors
    file_lock.acquire(holder)
    waiting = threading.Thread(target=file_lock.acquire, args=(other,), daemon=True)
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    os.dup2(other, holder)  # closes the holder's file
    waiting.join(10)
    assert not waiting.is_alive()
