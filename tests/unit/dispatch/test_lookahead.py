"""The end of the files is seen coming, and batches become smaller towards it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

import pytest

from producer.dispatch import batcher
from producer.dispatch.batcher import Batcher, BatchLimits
from producer.dispatch.lookahead import Lookahead
from producer.dispatch.window import share
from shared.errors import SetupError
from shared.settings import Settings
from tests.support.jobs.image_blobs import decode_images
from tests.unit.dispatch.test_batcher import image_files

#: A photograph in these tests: its size decides how many are worth a batch.
PHOTO_BYTES = 1_000
SMALL_BYTES, BATCH_BYTES = 10 * PHOTO_BYTES, 90 * PHOTO_BYTES


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher, "SMALL_BYTES", SMALL_BYTES)


def sizes(count: int, slots: int) -> list[int]:
    """The sizes of the batches of a job of photographs."""
    pieces, part = share(slots, 1)
    with image_files([bytes(PHOTO_BYTES)] * count) as options:
        batches = Batcher(options, Settings(batch_bytes=BATCH_BYTES))
        found = iter(lambda: batches.next(BatchLimits(part, pieces)), None)
        return [len(decode_images(batch.blob)) for batch in found]


def busy_share(sizes: list[int], slots: int) -> float:
    """The share of time for which processes work that take batches in order as they are free."""
    free = [0] * slots
    for size in sizes:
        heapq.heapreplace(free, free[0] + size)
    return sum(sizes) / (slots * max(free))


@pytest.mark.parametrize("slots", [2, 3, 8, 16])
@pytest.mark.parametrize("count", [100, 300, 1_000])
def test_all_processes_are_busy_to_the_end(count: int, slots: int) -> None:
    """As far as the smallest batches allow."""
    found = sizes(count, slots)
    assert sum(found) == count
    smallest = SMALL_BYTES // PHOTO_BYTES
    assert min(found[:-1]) >= smallest
    even = -(-count // slots)
    assert busy_share(found, slots) >= min(0.95, even / (even + smallest))


def test_an_error_is_raised_after_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield from range(5)
        raise SetupError("the folder cannot be listed")

    items = Lookahead(failing())
    items.ahead = 100
    assert list(itertools.islice(items, 5)) == [0, 1, 2, 3, 4]
    for _ in range(2):
        with pytest.raises(SetupError, match="cannot be listed"):
            next(items)


def test_small_images_are_not_divided_into_tiny_messages() -> None:
    with image_files([b"x"] * 200) as options:
        batches = Batcher(options, Settings())
        found = iter(lambda: batches.next(BatchLimits(pieces=32)), None)
        assert [len(batch.frozen.names) for batch in found] == [64, 64, 64, 8]
