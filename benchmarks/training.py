"""`make bench-train`: a recipe on Fashion-MNIST with several seeds, beside the tutorial.

Finished trainings are not repeated, so the same command resumes an interrupted run. The table goes
to standard output and, without options, into RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from datetime import UTC, datetime

from benchmarks.environment import machine
from benchmarks.environment.paths import DATA
from benchmarks.measure.command import Failed
from benchmarks.measure.training_run import PACKAGES, Trained, train
from benchmarks.report.blocks import wrapped
from benchmarks.report.page_blocks import write_section
from benchmarks.report.training_table import PROMISED, section
from benchmarks.shipped_model import OF_FASHION
from shared import recipes
from shared.errors import Exit
from shared.recipes import Recipe

#: Not deleted between runs.
FOLDER = DATA / "train"
#: The named rival: https://www.tensorflow.org/tutorials/keras/classification, its own settings.
RIVAL, RIVAL_SEED = "tutorial", 1
SEEDS = (1, 2, 3)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 1 after a failed training; 130 after an interruption."""
    given = _parser().parse_args(arguments)
    try:
        runs = measure(given)
    except Failed as error:
        print(f"training: {error}; finished trainings are stored", file=sys.stderr)
        return Exit.SETUP
    except KeyboardInterrupt:
        print("training: interrupted; the same command resumes with this seed", file=sys.stderr)
        return Exit.INTERRUPTED
    text = section(runs, _command(given), _about())
    print(text)
    if _is_complete(given):
        write_section(text)
    return Exit.OK


def measure(given: argparse.Namespace) -> list[Trained]:
    """Train the rival first, then each seed."""
    wanted = [(_recipe(given.recipe, given.epochs), seed) for seed in given.seeds]
    if not given.no_rival and given.recipe != RIVAL:
        wanted.insert(0, (_recipe(RIVAL, given.epochs), RIVAL_SEED))
    found, load = [], os.getloadavg()[0]  # later it is that of the trainings
    for number, (recipe, seed) in enumerate(wanted, 1):
        print(f"{number} of {len(wanted)}: {recipe.name}, seed {seed}", file=sys.stderr, flush=True)
        found.append(train(recipe, seed, FOLDER, again=given.restart, load=load))
    return found


def _is_complete(given: argparse.Namespace) -> bool:
    """Whether these are the trainings of `make bench-train`."""
    usual = given.recipe == PROMISED and tuple(given.seeds) == SEEDS
    return usual and not given.epochs and not given.no_rival


def _recipe(name: str, epochs: int | None) -> Recipe:
    recipe = recipes.find(name)
    return recipe.lasting(epochs) if epochs else recipe


def _command(given: argparse.Namespace) -> str:
    seeds = " ".join(map(str, given.seeds))
    epochs = f" --epochs {given.epochs}" if given.epochs else ""
    return f"python -m benchmarks.training --recipe {given.recipe} --seeds {seeds}{epochs}"


def _about() -> str:
    """The date, the machine and the versions."""
    found = ", ".join(f"{name} {machine.version(name)}" for name in ("hangtag", *PACKAGES))
    return wrapped(f"{datetime.now(UTC).date().isoformat()}, {machine.place()}; {found}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--recipe", default=recipes.OF_BUILT_IN, choices=OF_FASHION)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), metavar="N")
    parser.add_argument("--epochs", type=int, help="for a quick check")
    parser.add_argument("--no-rival", action="store_true", help="without the tutorial")
    parser.add_argument("--restart", action="store_true", help="train all of them again")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it stops its training
    sys.exit(main())
