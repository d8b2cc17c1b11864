"""The table of trainings: every seed, then the mean and the standard deviation of each recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, stdev

from benchmarks.environment.machine import IDLE_LOAD
from benchmarks.measure.training_run import Trained
from benchmarks.report.figures import MB
from benchmarks.report.goals import Goal
from benchmarks.report.tables import goal_table, markdown

#: The recipe with goals, for three seeds on two cores.
PROMISED = "fast"
GOAL_ACCURACY, GOAL_MINUTES, GOAL_ECE_PERCENT = 0.945, 5.0, 1.0
#: The heading of the section in RESULTS.md.
HEADING = "## Training on Fashion-MNIST"
_HEAD = (
    *("recipe", "parameters", "epochs", "seed", "held-out accuracy", "test accuracy"),
    *("test ECE, %", "minutes", "processor, minutes", "peak memory, MB"),
)
Value = Callable[[Trained], float]
#: The averaged columns, and their number of decimals.
_VALUES: tuple[tuple[Value, int], ...] = (
    (lambda run: run.heldout_accuracy, 4),
    (lambda run: run.test_accuracy, 4),
    (lambda run: 100 * run.test_ece, 2),
    (lambda run: run.wall_s / 60, 1),
    (lambda run: run.cpu_s / 60, 1),
    (lambda run: run.peak_bytes / MB, 0),
)


def section(runs: Sequence[Trained], command: str, about: str, date: str) -> str:
    """The section of RESULTS.md."""
    parts = [
        HEADING,
        f"    {command}",
        f"{date}, {about}",
        table(runs),
        "Of the exported `model.tflite`; the 10,000 test images are read once. Minutes are those\n"
        "of a process from its start to its end, `±` the standard deviation between seeds.",
        goal_table(goals(runs)),
        *busy(runs),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(runs: Sequence[Trained]) -> str:
    """A line for each training, and one for each recipe with several trainings."""
    return markdown(_HEAD, _lines(runs))


def _lines(runs: Sequence[Trained]) -> Iterator[list[str]]:
    for recipe in dict.fromkeys(run.recipe for run in runs):
        of_recipe = [run for run in runs if run.recipe == recipe]
        for run in of_recipe:
            yield [*_about(run), str(run.seed), *(f"{v(run):.{n}f}" for v, n in _VALUES)]
        if len(of_recipe) > 1:
            means = (spread([value(run) for run in of_recipe], n) for value, n in _VALUES)
            yield [*_about(of_recipe[0]), f"mean of {len(of_recipe)}", *means]


def _about(run: Trained) -> tuple[str, str, str]:
    return run.recipe, f"{run.parameters:,}", str(run.epochs)


def spread(values: Sequence[float], decimals: int) -> str:
    """Mean ± standard deviation of a sample of two or more."""
    return f"{fmean(values):.{decimals}f} ± {stdev(values):.{decimals}f}"


def goals(runs: Sequence[Trained]) -> list[Goal]:
    """The goals of the recipe `PROMISED`: the mean accuracy and error, the slowest time."""
    found = [run for run in runs if run.recipe == PROMISED]
    if not found:
        return []
    what = f"{PROMISED}, {len(found)} seeds"
    accuracy = fmean(run.test_accuracy for run in found)
    error = 100 * fmean(run.test_ece for run in found)
    minutes = max(run.wall_s for run in found) / 60
    return [
        Goal(f"{what}: mean test accuracy", accuracy, GOAL_ACCURACY),
        Goal(f"{what}: minutes of the slowest", minutes, GOAL_MINUTES, at_most=True),
        Goal(f"{what}: mean ECE on the test images, %", error, GOAL_ECE_PERCENT, at_most=True),
    ]


def busy(runs: Sequence[Trained]) -> list[str]:
    """A warning if the machine was not idle at the start of a training."""
    found = [f"{run.recipe} {run.seed} ({run.load:.1f})" for run in runs if run.load >= IDLE_LOAD]
    if not found:
        return []
    return [f"The machine was not idle; do not quote these minutes. Load: {', '.join(found)}."]
