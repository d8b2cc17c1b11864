"""Flags: what the pixel bounds detect, which flag has priority, and that counts are complete."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.workloads import ood_images
from benchmarks.workloads.synthetic_photos import photograph, scene
from shared.image_status import FLAGS, Flag, Status
from shared.messages.batch import BatchResult
from shared.registry import packaged
from tests.support.images.image_zoo import Bytes, garment
from worker.classify.classify_batch import DecodedBatch, classified, flag_unlike
from worker.classify.process_state import LoadedModel
from worker.datasets import fashion_mnist
from worker.datasets.demo import encoded
from worker.runtimes.load_runtime import load

#: A card that flags images, whatever version ships.
CARD = msgspec.structs.replace(
    packaged.card(),
    preprocessing=fashion_mnist.PREPROCESSING,
    pixel_bounds=fashion_mnist.PIXEL_BOUNDS,
)
MODEL = LoadedModel(CARD, load("litert", CARD, packaged.read("model.tflite")))


def flags_of(files: list[bytes | Status]) -> list[Flag]:
    result = classified(MODEL, files, 1)
    return [FLAGS[code] for code in result.column("flags")]


@pytest.mark.parametrize("make", [ood_images.noise, ood_images.checkers, ood_images.gradients])
def test_most_images_that_are_no_garments_are_flagged(
    make: Callable[[int, int], Bytes],
) -> None:
    flags = flags_of([encoded(image) for image in make(100, 1)])
    assert flags.count(Flag.NONE) < 20


def test_a_photograph_is_not_flagged_and_a_busy_ground_is() -> None:
    flags = flags_of([photograph(garment(), 1), scene(garment(), 1), photograph(garment(), 2)])
    assert flags == [Flag.NONE, Flag.BUSY_BACKGROUND, Flag.NONE]


def test_one_by_one_equals_all_at_once() -> None:
    files: list[bytes | Status] = [
        encoded(garment()), b"no picture", scene(garment(), 1), Status.CHANGED,
        encoded(np.full((40, 40), 255, np.uint8)), photograph(garment(), 1),
    ]  # fmt: skip
    whole = classified(MODEL, files, 3)
    assert BatchResult.joined([classified(MODEL, [file], 3) for file in files]) == whole


@given(
    st.lists(
        st.tuples(
            st.sampled_from((0, Status.UNREADABLE.code)),
            st.sampled_from((0, Flag.BUSY_BACKGROUND.code)),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_an_image_unlike_others_is_flagged_unless_it_failed_or_has_a_flag(
    rows: list[tuple[int, int, bool]],
) -> None:
    codes, flags = np.array([row[:2] for row in rows], np.uint8).reshape(-1, 2).T.copy()
    batch = DecodedBatch(np.zeros((len(rows), 1, 1, 1), np.uint8), codes, flags)
    flag_unlike(batch, np.array([row[2] for row in rows], bool))
    assert batch.flags.tolist() == [
        flag or (Flag.UNLIKE_TRAINING.code if unlike and not code else 0)
        for code, flag, unlike in rows
    ]
