"""Publish a version in fp32 into the benchmark's store: the same network, not quantised.

A separate process, since TensorFlow's memory and threads must not affect the measurements.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import keras
import msgspec
import numpy as np

from benchmarks.environment.paths import STORE
from shared.messages.model_card import decode_card
from shared.registry.registry import Registry
from shared.runtimes import TENSORFLOW
from worker.datasets import fashion_mnist
from worker.datasets.examples import Examples
from worker.graphs.export import export

#: Images that decide which ones are classified twice, if the version does so.
HELD = 5_000


def main() -> None:
    """Publish one version, whose name is given."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.workloads.fp32_model", description=__doc__
    )
    parser.add_argument("folder", type=Path, help="of the version")
    parser.add_argument("name")
    given = parser.parse_args()
    card = decode_card((given.folder / "card.json").read_bytes())
    images, labels = fashion_mnist.load("train")
    held = Examples(images[-HELD:, ..., None], labels[-HELD:].astype(np.int64))
    served = export(
        keras.models.load_model(given.folder / TENSORFLOW.artifact),
        msgspec.structs.replace(card, name=given.name),
        held,
        held.images,
        requested="fp32",
        mirror=card.second_pass_share > 0,
    )
    published = Registry(STORE).publish(served.card, served.files, who="benchmark")
    print(f"published {published.ref} into {STORE}")


if __name__ == "__main__":
    main()
