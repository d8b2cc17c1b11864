"""Train the tutorial's network and publish it into the benchmark's store.

One epoch: speed does not depend on accuracy. A process of its own, since TensorFlow's memory and
threads must be gone before anything is measured.
"""

from __future__ import annotations

import msgspec

from benchmarks.networks import TUTORIAL
from benchmarks.place import STORE
from shared.registry import Registry
from worker import recipes, version
from worker.pretrain import fashion_data

EPOCHS = 1


def main() -> None:
    """Adds one version."""
    recipe = msgspec.structs.replace(recipes.find("tutorial"), epochs=EPOCHS)
    made = version.make(TUTORIAL, recipe, fashion_data(), seed=1, on_epoch=print)
    card = Registry(STORE).publish(made.card, made.files, who="benchmark")
    print(f"published {card.ref} into {STORE}")


if __name__ == "__main__":
    main()
