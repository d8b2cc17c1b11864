"""The memory of a training does not grow with its images, so data may exceed the memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.images.class_folders import write

ROOT = Path(__file__).parents[3]
#: Of 160x160 pixels in colour: 1.5 MB for the first training, 23 MB, and four times as much.
FIRST, SMALL, LARGE = 20, 300, 1200
SIDE_PIXELS = 160
#: Half of the difference of the two. A copy of the images, even a short-lived one, is larger.
ALLOWED_MB = (LARGE - SMALL) * SIDE_PIXELS**2 * 3 / 2e6

#: For each class folder: loads it, trains one epoch, scores and fingerprints; prints the peak of
#: the anonymous memory in MB, and the size of the images.
PROGRAM = """
import sys, threading, time
from pathlib import Path
import msgspec
from worker.datasets import load
from worker.datasets.corrected_walk import LabelledData
from shared import recipes
from worker.training.fit import train

peak, over = 0, threading.Event()

def watch():
    global peak
    while not over.wait(0.002):
        status = Path("/proc/self/status").read_text()
        peak = max(peak, int(status.split("RssAnon:")[1].split()[0]) / 1e3)

watcher = threading.Thread(target=watch)
watcher.start()
size = int(sys.argv[1])
recipe = msgspec.structs.replace(
    recipes.RECIPES["tutorial"].lasting(1),
    network="dense", widths=(2,), size=(size, size, 3), batch=16,
)
for root in sys.argv[2:]:
    peak = 0
    found = load.load(LabelledData(root), recipe.size, None, Path(root + "-scratch")).data
    train(recipe, found.examples, found.heldout, len(found.labels), 1)
    parts = (found.examples, found.heldout, found.test)
    print(peak, sum(part.images.nbytes for part in parts) / 1e6)
over.set()
watcher.join()
"""


@pytest.mark.nightly
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this machine has no /proc")
def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    """One process, since TensorFlow takes seconds to start; it grows in its first training."""
    roots = [_drawn(tmp_path / str(n), count) for n, count in enumerate((FIRST, SMALL, LARGE))]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(SIDE_PIXELS), *roots],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""},
        text=True,
    )
    _, (small, _), (large, images) = (map(float, line.split()) for line in done.stdout.splitlines())
    assert images == pytest.approx(LARGE * SIDE_PIXELS**2 * 3 / 1e6)
    assert large - small < ALLOWED_MB


def _drawn(root: Path, count: int) -> str:
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (6, 6, 3)).astype(np.uint8)
        write(root / "ab"[number % 2] / f"{number}.png", pixels)
    return str(root)
