"""The reference of the benchmark does the real work, and its arithmetic is right."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.environment.paths import ROOT
from benchmarks.workloads import networks
from shared.errors import ImageError
from shared.image_status import Flag
from worker.decoding.decode import decode_into
from worker.inference.outliers import out_of_bounds
from worker.runtimes.load_runtime import load
from worker.runtimes.runtime import image_shape

IMAGES = 7


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Random images in two folders; the last file is no image."""
    random = np.random.default_rng(1)
    for number in range(IMAGES):
        path = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (28, 28), np.uint8)).save(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return tmp_path / "images"


def rows(folder: Path) -> Iterator[list[str]]:
    """Classify each image separately, in the simplest way."""
    network = networks.shipped()
    card = network.card
    model = load("litert", card, (network.folder / "model.tflite").read_bytes())
    image = np.empty(image_shape(card), np.uint8)
    for path in sorted(folder.rglob("*.png")):
        try:
            flag = decode_into(path.read_bytes(), card.preprocessing, image)
        except ImageError as error:
            yield [str(path), "", "", error.status, error.status.sentence, "", card.ref]
            continue
        probabilities = model.predict(image[np.newaxis])[0]
        if (
            card.pixel_bounds
            and not flag
            and out_of_bounds(card.pixel_bounds, image[np.newaxis])[0]
        ):
            flag = Flag.UNLIKE_TRAINING
        label = card.labels[probabilities.argmax()]
        yield [str(path), label, f"{probabilities.max():.4f}", "ok", "", flag, card.ref]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_bare_loop_writes_the_products_table(
    folder: Path, tmp_path: Path, workers: int
) -> None:
    output = tmp_path / "bare.csv"
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "benchmarks.contenders.bare_loop",
                str(folder),
                "-o",
                str(output),
            ),
            *("--model", str(networks.shipped().folder), "--workers", str(workers)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(done.stdout)["images"] == IMAGES
    header, *lines = csv.reader(output.read_text().splitlines())
    assert header == ["path", "label", "confidence", "status", "error", "flag", "model"]
    assert lines == list(rows(folder))
    assert [line[3] for line in lines].count("unreadable") == 1
