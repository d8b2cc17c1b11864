"""The number of images in a call is the smallest that is about as fast, within a memory bound."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.registry import packaged
from worker.export import call_size
from worker.runtimes.litert_runtime import LiteRT

CARD, FILE = packaged.card(), packaged.read("model.tflite")
costs = st.dictionaries(st.sampled_from(call_size.SIZES), st.floats(1e-6, 1.0), min_size=1)


@given(costs)
def test_no_size_is_clearly_faster_and_no_smaller_one_as_fast(costs: dict[int, float]) -> None:
    chosen = call_size.least(costs)
    limit = min(costs.values()) * 1.03
    assert costs[chosen] <= limit
    assert all(cost > limit for size, cost in costs.items() if size < chosen)


@pytest.mark.parametrize("images", [0, 8, 20, 10**6])
def test_a_call_fits_in_the_memory_bound(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    of_one = LiteRT(msgspec.structs.replace(CARD, call_images=1), FILE).activation_bytes()
    monkeypatch.setattr(call_size, "MEMORY_BYTES", images * of_one)
    chosen = call_size.choose(CARD, FILE)
    assert chosen == 1 if images < 8 else chosen in call_size.SIZES
    assert chosen <= max(1, images)
