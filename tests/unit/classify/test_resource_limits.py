"""Above the limit allocations fail, and after it they succeed."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from worker.classify.resource_limits import memory_limit

LIMIT_BYTES = 64 << 20


def test_an_allocation_above_the_limit_fails_and_one_below_does_not() -> None:
    with memory_limit(LIMIT_BYTES):
        assert np.ones(LIMIT_BYTES // 2, np.uint8).all()
        with pytest.raises(MemoryError):
            np.ones(2 * LIMIT_BYTES, np.uint8)
    assert np.ones(2 * LIMIT_BYTES, np.uint8).all()


def test_earlier_allocations_do_not_count_and_a_stricter_limit_stays() -> None:
    before = np.ones(4 * LIMIT_BYTES, np.uint8)
    own = resource.getrlimit(resource.RLIMIT_DATA)
    with memory_limit(LIMIT_BYTES):
        inner = resource.getrlimit(resource.RLIMIT_DATA)
        with memory_limit(100 * LIMIT_BYTES):
            assert resource.getrlimit(resource.RLIMIT_DATA) == inner
    assert resource.getrlimit(resource.RLIMIT_DATA) == own
    assert before.all()
