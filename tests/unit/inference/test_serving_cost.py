"""What a version costs a worker's child."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from shared import runtimes
from shared.registry import packaged
from worker.backbones import served_version
from worker.inference import serving_cost


def test_speed_and_memory_are_those_of_a_process_of_its_own() -> None:
    file, artifact = io.BytesIO(), packaged.read(runtimes.DEFAULT.artifact)
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(file, "PNG")
    cost = serving_cost.measured(
        served_version.fetch(packaged.card(), packaged.read), 2 * [file.getvalue()]
    )
    assert cost.images_per_s > 0
    assert cost.memory_bytes > len(artifact)
