"""`python -m benchmarks.packaged_backbones`: makes the backbones that ship with the package.

The weights are those of two packages of the extra `dev`. Needs TensorFlow, and half a minute.
On another kind of processor other bits may come out: the ranges of the int8 values are of images
that a network in float32 has seen.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from benchmarks.backbones import efficientnet_lite
from benchmarks.backbones.calibration import calibration_images
from benchmarks.backbones.weights import WEIGHTS
from worker.graphs import convert

FOLDER = Path(__file__).parents[1] / "shared" / "registry" / "packaged_backbones"


def main(arguments: list[str] | None = None) -> None:
    """Write the files to the package's folder, and print their SHA-256."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=FOLDER)
    folder = parser.parse_args(arguments).into
    for name in WEIGHTS:
        data = made(name)
        (folder / f"{name}.tflite").write_bytes(data)
        print(name, len(data), hashlib.sha256(data).hexdigest())


def made(name: str) -> bytes:
    """The int8 `.tflite` file of a backbone: one uint8 image in, its features out."""
    graph = convert.frozen(efficientnet_lite.build(WEIGHTS[name]))
    return convert.int8_file(graph, calibration_images(WEIGHTS[name].size_pixels))


if __name__ == "__main__":
    main()
