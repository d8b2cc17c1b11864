"""The number of images in a call is the smallest that is about as fast, within a memory bound."""

from __future__ import annotations

import msgspec
import pytest

from shared.registry import packaged
from worker.graphs import call_size
from worker.runtimes.litert_runtime import LiteRT

CARD, FILE = packaged.card(), packaged.read("model.tflite")


@pytest.mark.parametrize("images", [0, 8, 20, 10**6])
def test_a_call_fits_in_the_memory_bound(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    of_one = LiteRT(msgspec.structs.replace(CARD, call_images=1), FILE).activation_bytes()
    monkeypatch.setattr(call_size, "MEMORY_BYTES", images * of_one)
    chosen = call_size.choose(CARD, FILE)
    assert chosen == 1 if images < 8 else chosen in call_size.SIZES
    assert chosen <= max(1, images)
