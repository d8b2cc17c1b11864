"""Train a version on Fashion-MNIST and write its folder: `python -m benchmarks.shipped_model`.

Without options but `--out FOLDER` it is the version that ships: two networks of the recipe, of the
seeds after the version's, teach it their mean logits on the augmented images that it sees itself
(distillation: Hinton, Vinyals and Dean, arXiv:1503.02531; the same view for both, Beyer et al.,
arXiv:2106.05237).
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import msgspec
import tensorflow as tf

from shared import recipes
from shared.errors import HangtagError
from shared.messages.model_card import encode_card
from shared.messages.training import FASHION_MNIST, Train
from shared.recipes import Recipe
from shared.registry import packaged
from worker.datasets import load
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.load import DataSet
from worker.evaluation.metrics import Epoch
from worker.train import networks
from worker.train.fit import Loss, on_labels
from worker.train.learner import BuiltVersion, Observer, Task
from worker.train.network import Network

#: The recipes that can learn from grey images of 28x28 pixels.
OF_FASHION = [recipe.name for recipe in recipes.RECIPES.values() if not recipe.backbone]
RECIPE, SEED, TEACHERS = "accurate", 0, 2
#: The weight of the teachers' distribution; the rest is that of the true label. Chosen by the
#: held-out loss with three teachers: `fast`, 5,000 images, 10 epochs, one seed: 0.305 without
#: teachers, 0.294 with it; `tutorial`, 3,000 images, 40 epochs, three seeds: 0.488 and 0.482.
SHARE = 0.5


class Printed(Observer):
    """Prints each epoch."""

    def epoch(self, epoch: Epoch) -> None:
        print(epoch, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 1 with one line that names the fix."""
    options = _parser().parse_args(arguments)
    recipe = recipes.find(options.recipe)
    try:
        for folder in filter(None, (options.out, options.state)):
            folder.mkdir(parents=True, exist_ok=True)  # before hours of training
        recipe = recipe.lasting(options.epochs) if options.epochs else recipe
        built = build(fashion_data(), recipe, options.seed, options.teachers, options.state)
        write(built, options.out)
    except (HangtagError, OSError) as error:
        print(f"shipped_model: {error}", file=sys.stderr)
        return 1
    return 0


def fashion_data() -> DataSet:
    """Fashion-MNIST. Raises SetupError if it is not available."""
    return load.load(LabelledData(FASHION_MNIST), None, None, Path()).data  # uses no folder


def build(
    data: DataSet, recipe: Recipe, seed: int, teachers: int, state: Path | None = None
) -> BuiltVersion:
    """Train the teachers, with the seeds after this one, and then the version.

    A run that finds the checkpoints of an earlier one in the folder `state` continues it.
    """
    seeds = range(seed + 1, seed + 1 + teachers)
    ensemble = [_teacher(data, recipe, teacher, state) for teacher in seeds]
    print(f"the version, seed {seed}", flush=True)
    task = _task(recipe, seed, state and state / f"seed-{seed}-of-{teachers}-teachers.npz")
    built = Network(task, data, loss=taught_by(ensemble) if teachers else on_labels).build()
    names = tuple(f"seed {teacher}" for teacher in seeds)
    return built._replace(card=msgspec.structs.replace(built.card, teachers=names))


def _teacher(data: DataSet, recipe: Recipe, seed: int, state: Path | None) -> keras.Model:
    """A trained network in the precision of trainings, which is exact enough for targets."""
    print(f"a teacher, seed {seed}", flush=True)
    learner = Network(_task(recipe, seed, state and state / f"seed-{seed}.npz"), data)
    trained = learner.fit().network
    shape, classes = trained.input_shape[1:], trained.output_shape[1]
    network = networks.build(recipe, shape, classes, networks.precision_of(recipe))
    network.set_weights(trained.get_weights())
    return network


def _task(recipe: Recipe, seed: int, state: Path | None) -> Task:
    work = Train(packaged.NAME, recipe.name, "", seed=seed)  # its card names no folder
    return Task(work, recipe, state=state, observer=Printed())


def taught_by(teachers: Sequence[keras.Model]) -> Loss:
    """Half of the loss is the cross-entropy on the softmax of the teachers' mean logits.

    Each teacher sees an image once, also where the recipe mirrors: a student of three would take
    as long again with both views.
    """

    def loss(images: Any, losses: Any, logits: Any) -> Any:
        mean = tf.add_n([teacher(images, training=False) for teacher in teachers]) / len(teachers)
        targets = tf.stop_gradient(tf.nn.softmax(mean))
        soft = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
        return SHARE * soft + (1 - SHARE) * losses

    return loss


def write(built: BuiltVersion, folder: Path) -> None:
    """Write the version's files, the card last."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in built.files.items()}
    for name, content in built.files.items():
        (folder / name).write_bytes(content)
    card = msgspec.structs.replace(built.card, files=hashes)
    (folder / "card.json").write_bytes(encode_card(card))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shipped_model", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the version")
    parser.add_argument("--state", type=Path, help="folder of checkpoints: resume from them")
    parser.add_argument("--recipe", default=RECIPE, choices=OF_FASHION)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--teachers", type=int, default=TEACHERS, choices=range(17), metavar="N")
    parser.add_argument("--epochs", type=int, help="for a quick check")
    return parser


if __name__ == "__main__":
    sys.exit(main())
