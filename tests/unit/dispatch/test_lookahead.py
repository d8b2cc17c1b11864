"""The end of the files is seen coming, and batches become smaller towards it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from producer.dispatch import batcher
from producer.dispatch.batcher import Lookahead
from shared.errors import SetupError

#: A photograph in these tests: its size decides how many are worth a batch.
PHOTO_BYTES = 1_000
SMALL_BYTES, BATCH_BYTES = 10 * PHOTO_BYTES, 90 * PHOTO_BYTES


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher, "SMALL_BYTES", SMALL_BYTES)


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
