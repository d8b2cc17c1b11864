"""The table of trainings: the mean and the standard deviation of each recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, stdev

from benchmarks.environment.machine import IDLE_LOAD
from benchmarks.measure.training_run import Trained
from benchmarks.report.figures import MB
from benchmarks.report.goals import Goal, verdict
from benchmarks.report.tables import markdown

#: The recipe with goals, for three seeds on two cores.
PROMISED = "fast"
GOAL_ACCURACY, GOAL_MINUTES, GOAL_ECE_PERCENT = 0.945, 5.0, 1.0
#: The heading of the section in RESULTS.md.
HEADING = "## Training on Fashion-MNIST"
_HEAD = ("recipe", "seeds", "test accuracy", "test ECE, %", "minutes", "peak memory, MB")
Value = Callable[[Trained], float]
#: The averaged columns, and their number of decimals.
_VALUES: tuple[tuple[Value, int], ...] = (
    (lambda run: run.test_accuracy, 4),
    (lambda run: 100 * run.test_ece, 2),
    (lambda run: run.wall_s / 60, 1),
    (lambda run: run.peak_bytes / MB, 0),
)


def section(runs: Sequence[Trained], command: str, about: str) -> str:
    """The section of RESULTS.md."""
    parts = [
        HEADING,
        f"    {command}",
        about,
        table(runs),
        "Of the exported `model.tflite`; `±` is the standard deviation between seeds.",
        verdict(goals(runs)),
        *busy(runs),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(runs: Sequence[Trained]) -> str:
    """A line for each recipe: the mean of its trainings."""
    return markdown(_HEAD, _lines(runs))


def _lines(runs: Sequence[Trained]) -> Iterator[list[str]]:
    for recipe in dict.fromkeys(run.recipe for run in runs):
        found = [run for run in runs if run.recipe == recipe]
        means = (spread([value(run) for run in found], digits) for value, digits in _VALUES)
        yield [recipe, str(len(found)), *means]


def spread(values: Sequence[float], decimals: int) -> str:
    """The mean, with the standard deviation of a sample of two or more."""
    deviation = f" ± {stdev(values):.{decimals}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{decimals}f}{deviation}"


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
