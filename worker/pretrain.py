"""Train a version of the Fashion-MNIST model and write its folder: `python -m worker.pretrain`.

`--recipe accurate --seed 0 --teach-by 2 --out shared/registry/packaged_model` builds the version
that ships with the package.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import msgspec

from shared import recipes
from shared.errors import HangtagError, SetupError
from shared.messages.model_card import Card, decode_card, encode_card
from shared.messages.training import FASHION_MNIST, MAX_TEACHERS, Train
from shared.registry import packaged, version_folder
from worker.datasets import load
from worker.datasets.corrected_walk import LabelledData
from worker.learners.learner import BuiltVersion, Observer, Task
from worker.learners.network import Network
from worker.training.epoch import Epoch
from worker.training.teachers import ARCHIVE, Teachers, TeacherVersion

#: The recipes that can learn from grey images of 28x28 pixels.
OF_FASHION = [recipe.name for recipe in recipes.RECIPES.values() if not recipe.backbone]


def main(arguments: list[str] | None = None) -> int:
    """Returns exit code 0, or 1 with one line that names the fix."""
    options = _parser().parse_args(arguments)
    try:
        for folder in (options.out, *([options.state.parent] if options.state else [])):
            folder.mkdir(parents=True, exist_ok=True)  # before hours of training
        recipe = recipes.find(options.recipe)
        if options.epochs:
            recipe = recipe.lasting(options.epochs)
        versions = tuple(teacher_version(folder, recipe.name) for folder in options.teacher)
        task = Task(
            Train(packaged.NAME, recipe.name, "", seed=options.seed),  # its card names no folder
            recipe,
            state=options.state,
            teachers=lambda: Teachers(options.teach_by, versions),
            observer=_Printed(),
        )
        built = Network(task, fashion_data()).build()
        print(encode_card(write(built, options.out)).decode(), end="")
    except (HangtagError, OSError) as error:
        print(f"pretrain: {error}", file=sys.stderr)
        return 1
    return 0


class _Printed(Observer):
    def epoch(self, epoch: Epoch) -> None:
        _print(epoch)

    def teacher(self, number: int) -> None:
        _print(f"teacher {number}" if number else "the version")


def fashion_data() -> load.DataSet:
    """Fashion-MNIST. Raises SetupError if it is not available."""
    return load.load(LabelledData(FASHION_MNIST), None, None, Path()).data  # uses no folder


def write(made: BuiltVersion, folder: Path) -> Card:
    """Write the version's files, the card last. Returns the card as written."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in made.files.items()}
    card = msgspec.structs.replace(made.card, files=hashes)
    for name, content in made.files.items():
        (folder / name).write_bytes(content)
    (folder / "card.json").write_bytes(encode_card(card))
    return card


def teacher_version(folder: Path, recipe: str) -> TeacherVersion:
    """The version in a folder, to teach one of a recipe.

    Raises:
        BadMessage, SetupError: it has no valid card or network.
    """
    try:
        card = decode_card((folder / version_folder.CARD).read_bytes())
    except OSError as error:
        raise SetupError(
            f"{folder} has no card ({error.strerror}); name the folder of a version with --teacher"
        ) from error
    archive = version_folder.read_file(folder, card, ARCHIVE)
    return TeacherVersion(card, archive, seed_only=card.recipe == recipe)


def _at_least_one(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("a training has one epoch at least")
    return int(text)


def _print(line: object) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m worker.pretrain", description=__doc__)
    parser.add_argument("--recipe", default=recipes.OF_BUILT_IN, choices=OF_FASHION)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--epochs", type=_at_least_one, help="number of epochs, instead of the recipe's"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the version")
    parser.add_argument(
        "--state", type=Path, help="checkpoint file: resume from it, and update it after each epoch"
    )
    parser.add_argument(
        "--teach-by",
        type=int,
        choices=range(MAX_TEACHERS + 1),
        default=0,
        metavar="N",
        help="train N networks of the recipe first, which teach the version; their checkpoints are "
        "beside --state",
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="folder of a version that teaches the new one; repeatable",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
