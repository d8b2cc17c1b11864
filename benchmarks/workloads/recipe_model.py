"""Train the network of a recipe briefly and publish it into the benchmark's store.

A separate process, since TensorFlow's memory and threads must not affect the measurements.
"""

from __future__ import annotations

import argparse

from benchmarks.environment.paths import STORE
from benchmarks.shipped_model import Printed, fashion_data
from shared import recipes
from shared.messages.training import Train
from shared.registry.registry import Registry
from worker.datasets.examples import Examples
from worker.datasets.load import DataSet
from worker.train.learner import Task
from worker.train.network import Network

#: The speed of a network does not depend on its accuracy, except for the share of images that it
#: classifies a second time: the recipes that do so need a few epochs.
EPOCHS = {"tutorial": 1, "fast": 3}


def main() -> None:
    """Publish one version, whose name is the recipe's."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.workloads.recipe_model", description=__doc__
    )
    parser.add_argument("recipe", choices=list(EPOCHS))
    parser.add_argument(
        "--images", type=int, metavar="N", help="for a quick check of the benchmark"
    )
    given = parser.parse_args()
    recipe = recipes.find(given.recipe).lasting(EPOCHS[given.recipe])
    data = first(fashion_data(), given.images)
    task = Task(Train(recipe.name, recipe.name, ""), recipe, observer=Printed())
    made = Network(task, data).build()
    card = Registry(STORE).publish(made.card, made.files, who="benchmark")
    print(f"published {card.ref} into {STORE}")


def first(data: DataSet, count: int | None) -> DataSet:
    """The data set with the first `count` examples; all for None."""
    images, labels = data.examples
    return data._replace(examples=Examples(images[:count], labels[:count]))


if __name__ == "__main__":
    main()
