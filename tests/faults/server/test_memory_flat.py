"""Memory does not grow with the size of a job or the number of its interruptions.

The bound is a slope in bytes per batch, which does not depend on the machine's speed.
`python -m benchmarks.memory` runs the full size (200,000 images, 20 interruptions).
"""

from __future__ import annotations

import pytest

from benchmarks.memory import CHILD, PARENT, PRODUCER, SERVER, Figures, measure

IMAGES, BATCH_IMAGES, RESUMES = 20_000, 8, 5
EVERY_S = 0.2
SEED = 1  #: of the moments at which the producer is stopped
#: Measured: -100 to 470, in the producer 810 (SQLite's cache of its journal, which ends at 2 MB, as
#: 10,000 batches show), and above 1,200 with a child that leaks its images: those of a batch
#: have 4,000 bytes, its results 100.
SLOPE_BYTES_PER_BATCH = 1_000
#: The number of connections varies by a few, for example after a reset.
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
def test_a_long_running_process_does_not_grow(figures: Figures, part: str, what: str) -> None:
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


def test_a_repeatedly_interrupted_job_leaves_all_rows_and_no_key(
    figures: Figures,
) -> None:
    assert figures.runs == RESUMES + 1
    assert (figures.keys_left, figures.rows) == (0, IMAGES)
