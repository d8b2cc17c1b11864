"""Train the tutorial's network for an epoch and publish it into the benchmark's store.

A separate process, since TensorFlow's memory and threads must not affect the measurements.
"""

from __future__ import annotations

from benchmarks.environment.paths import STORE
from benchmarks.shipped_model import Printed, fashion_data
from benchmarks.workloads.networks import TUTORIAL
from shared import recipes
from shared.messages.training import Train
from shared.registry.registry import Registry
from worker.train.learner import Task
from worker.train.network import Network


def main() -> None:
    """Publish one version. Its speed does not depend on its accuracy."""
    recipe = recipes.find(TUTORIAL).lasting(1)
    task = Task(Train(recipe.name, recipe.name, ""), recipe, observer=Printed())
    made = Network(task, fashion_data()).build()
    card = Registry(STORE).publish(made.card, made.files, who="benchmark")
    print(f"published {card.ref} into {STORE}")


if __name__ == "__main__":
    main()
