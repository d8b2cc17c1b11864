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
#: Of 160x160 pixels in colour: 23 MB, and four times as much.
SMALL, LARGE = 300, 1200
SIDE_PIXELS = 160
#: Half of the difference of the two. A copy of the images, even a short-lived one, is larger.
ALLOWED_MB = (LARGE - SMALL) * SIDE_PIXELS**2 * 3 / 2e6

#: Loads a class folder, trains one epoch, scores and fingerprints; prints the peak of the anonymous
#: memory in MB, and the size of the images.
PROGRAM = """
import sys, threading, time
from pathlib import Path
import msgspec
from worker.datasets import load
from worker.recipes import recipes
from worker.training.fit import train

peak, over = 0, threading.Event()

def watch():
    global peak
    while not over.wait(0.002):
        status = Path("/proc/self/status").read_text()
        peak = max(peak, int(status.split("RssAnon:")[1].split()[0]) / 1e3)

watcher = threading.Thread(target=watch)
watcher.start()
size = int(sys.argv[3])
recipe = msgspec.structs.replace(
    recipes.RECIPES["photo-scratch"].lasting(1),
    network="dense", widths=(2,), size=(size, size, 3), batch=16,
)
found = load.load(sys.argv[1], recipe.size, None, Path(sys.argv[2])).data
train(recipe, found.examples, found.heldout, len(found.labels), 1)
over.set()
watcher.join()
parts = (found.examples, found.heldout, found.test)
print(peak, sum(part.images.nbytes for part in parts) / 1e6)
"""


def _peak(folder: Path, count: int) -> tuple[float, float]:
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (6, 6, 3)).astype(np.uint8)
        write(folder / "root" / "ab"[number % 2] / f"{number}.png", pixels)
    arguments = [str(folder / "root"), str(folder / "scratch"), str(SIDE_PIXELS)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""},
        text=True,
    )
    peak, images = map(float, done.stdout.split())
    return peak, images


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this machine has no /proc")
def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    small, _ = _peak(tmp_path / "small", SMALL)
    large, images = _peak(tmp_path / "large", LARGE)
    assert images == pytest.approx(LARGE * SIDE_PIXELS**2 * 3 / 1e6)
    assert large - small < ALLOWED_MB
