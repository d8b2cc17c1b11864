"""The benchmark of photographs compares equal messages, and its arithmetic is right."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import photo_speed
from benchmarks.contenders import bare_loop
from benchmarks.photo_speed import BARE, Turn
from producer.dispatch.batcher import Batcher
from shared.messages.files import INLINE, PATH
from shared.settings import Settings
from tests.support.jobs.image_blobs import decode_images
from tests.unit.dispatch.test_batcher import image_files

MB = 1_000_000


def turn(way: str, repeat: int, work_s: float, megabytes: int = 100) -> Turn:
    return Turn(way, repeat, 1_000, work_s, megabytes * MB)


FOUND = [
    *(turn(BARE, 0, 10), turn(INLINE, 0, 10.5), turn(PATH, 0, 8)),
    # A disturbance that lasts for a whole repeat cancels out.
    *(turn(BARE, 1, 20), turn(INLINE, 1, 21), turn(PATH, 1, 16)),
    *(turn(BARE, 2, 10), turn(INLINE, 2, 30), turn(PATH, 2, 8)),
]


def test_ratios_are_medians_within_a_repeat() -> None:
    ratios = {way: photo_speed.ratio(FOUND, way) for way in photo_speed.WAYS}
    assert ratios == {BARE: 1, INLINE: pytest.approx(10 / 10.5), PATH: 1.25}


@given(st.lists(st.binary(max_size=12), max_size=12), st.integers(1, 5), st.integers(1, 20))
def test_the_bare_loop_reads_as_many_files_at_once_as_a_message_has(
    contents: list[bytes], images: int, size: int
) -> None:
    with image_files(contents) as options, pytest.MonkeyPatch.context() as patch:
        patch.setattr(bare_loop, "BATCH_IMAGES", images)
        patch.setattr(bare_loop, "BATCH_BYTES", size)
        settings = Settings(batch_images=images, batch_bytes=size)
        batches = list(iter(Batcher(options, settings).next, None))
        folder = Path(options.cwd.decode()) / "p"
        found = list(bare_loop.messages([bytes(path) for path in sorted(folder.iterdir())]))
    assert [files for _, files in found] == [decode_images(batch.blob) for batch in batches]
