"""Nothing grows with the size of a job or with the number of its interruptions.

The bound is a slope, bytes for each batch, so that it means the same on a slow machine. The whole
size (200,000 images, 20 interruptions) is `python -m benchmarks.memory`.
"""

from __future__ import annotations

import pytest

from benchmarks.memory import CHILD, PARENT, PRODUCER, SERVER, Figures, measure

IMAGES, BATCH_IMAGES, RESUMES = 20_000, 8, 5
EVERY_S = 0.2
SEED = 1  #: of the moments at which the producer is ended
#: Seen: -100 to 470, and 1,200 and more where a child keeps the pictures that it has had: those
#: of a batch have 4,000 bytes, its answers 100.
SLOPE_BYTES_PER_BATCH = 1_000
#: Connections come and go by a few: one more after a reset, one less between two looks.
DESCRIPTORS = 4
LIMIT_S = 600


@pytest.fixture(scope="module")
def figures() -> Figures:
    found = measure(IMAGES, BATCH_IMAGES, RESUMES, SEED, EVERY_S)
    for line in found.lines:
        print(line)
    return found


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("part", ["whole", "resumed"])
@pytest.mark.parametrize(
    "what", [f"{PARENT}, RSS", f"{CHILD}, RSS", f"{SERVER}, RSS", "server, used_memory"]
)
def test_who_serves_job_after_job_does_not_grow(figures: Figures, part: str, what: str) -> None:
    line = figures.line(part, what)
    assert (line.last - line.first) / figures.batches < SLOPE_BYTES_PER_BATCH, line


def test_the_producer_does_not_grow_with_its_job(figures: Figures) -> None:
    line = figures.line("whole", f"{PRODUCER}, RSS")
    assert (line.last - line.first) / figures.batches < SLOPE_BYTES_PER_BATCH, line


def test_no_descriptor_is_left_open(figures: Figures) -> None:
    lines = [line for line in figures.lines if line.what.endswith("descriptors")]
    assert len(lines) == 7
    for line in lines:
        assert line.last <= line.first + DESCRIPTORS, line


def test_a_job_that_was_interrupted_again_and_again_leaves_no_key_and_all_rows(
    figures: Figures,
) -> None:
    assert figures.runs == RESUMES + 1
    assert (figures.keys_left, figures.rows) == (0, IMAGES)
