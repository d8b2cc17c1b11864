"""How fast a version is on one core."""

from __future__ import annotations

import io
import time

import numpy as np
from PIL import Image

from shared.registry import packaged
from worker.runtimes import load_runtime
from worker.train.head import images_per_s


def test_the_speed_is_that_of_decoding_and_classifying_the_files() -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(file, "PNG")
    version = load_runtime.fetch(packaged.card(), packaged.read)
    files = 100 * [file.getvalue()]
    start = time.thread_time()
    rate = images_per_s(version, files)
    # The fastest of three rounds, each of which was a part of the time that passed.
    assert rate > 3 * len(files) / (time.thread_time() - start)


def test_without_files_no_speed_is_measured() -> None:
    version = load_runtime.fetch(packaged.card(), packaged.read)
    assert images_per_s(version, []) == 0
