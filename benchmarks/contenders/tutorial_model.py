"""Train the tutorial's network and publish it into the benchmark's store.

One epoch: speed does not depend on accuracy. A separate process, since TensorFlow's memory and
threads must not affect the measurements.
"""

from __future__ import annotations

import msgspec

from benchmarks.environment.paths import STORE
from benchmarks.workloads.networks import TUTORIAL
from shared.registry.registry import Registry
from worker.pretrain import fashion_data
from worker.recipes import recipes
from worker.training import build_version

EPOCHS = 1


def main() -> None:
    """Publish one version."""
    recipe = msgspec.structs.replace(recipes.find("tutorial"), epochs=EPOCHS)
    made = build_version.build_version(TUTORIAL, recipe, fashion_data(), seed=1, on_epoch=print)
    card = Registry(STORE).publish(made.card, made.files, who="benchmark")
    print(f"published {card.ref} into {STORE}")


if __name__ == "__main__":
    main()
