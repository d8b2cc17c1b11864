"""The operating points: how accurate the accepted predictions are, against their share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from shared.messages.model_card import OperatingPoint
from worker.datasets.examples import Labels
from worker.evaluation.reliability import Floats, Probabilities
from worker.plots.chart import add_axes, empty, png_chart
from worker.plots.plot_style import FAINT, FIRST, SECOND

SIZE_INCHES = (5.65, 3.75)
#: The accuracy of fewer predictions is mostly chance.
FEWEST_ACCEPTED = 20
#: Room below the accuracies, and above them for texts, as a part of the axes.
ROOM, ROOM_ABOVE = 0.01, 0.08
#: Between a point and its text, in points. Beyond this share that is accepted it ends there: the
#: axes end.
TEXT_AWAY, LAST = 6, 0.85
#: Rounding of ticks.
TINY = 1e-9
#: Points that are nearer, in both parts of the axes, share a text: theirs would overlap.
NEAR = 0.06


@png_chart
def accepted_accuracy(
    probabilities: Probabilities, truth: Labels, points: Sequence[OperatingPoint]
) -> Figure:
    """For every share of accepted predictions, the most confident first; n > 0 images."""
    figure = empty(*SIZE_INCHES)
    axes = add_axes(figure, 0, 0, *SIZE_INCHES)
    accuracy = accuracies(probabilities, truth)
    shares = np.arange(1, len(accuracy) + 1) / len(accuracy)
    first = min(FEWEST_ACCEPTED, len(accuracy)) - 1
    axes.plot(shares[first:], accuracy[first:], color=FIRST, label="one threshold for all labels")
    usable = [point for point in points if point.accepted]
    lowest = min([float(accuracy[first:].min()), *(point.reached for point in usable)])
    axes.set(
        title=f"Accepted predictions of {len(accuracy):,} held-out images",
        xlabel="share that is accepted, the most confident first",
        ylabel="share of the accepted that is right",
        xlim=(0, 1),
        ylim=(max(0.0, lowest - ROOM), 1 + ROOM_ABOVE * (1 + ROOM - lowest)),
    )
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_yticks([tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick < 1 + TINY])
    if usable:
        _points(axes, usable, accuracy)
    axes.grid(color=FAINT)
    axes.legend(loc="lower left", frameon=False)
    return figure


def accuracies(probabilities: Probabilities, truth: Labels) -> Floats:
    """float64 [n]: the accuracy of the 1, 2, ... n most confident predictions."""
    order = np.argsort(-probabilities.max(1), kind="stable")
    right = (probabilities.argmax(1) == truth)[order]
    accuracies: Floats = np.cumsum(right) / np.arange(1, len(right) + 1)
    return accuracies


def _points(axes: Axes, points: Sequence[OperatingPoint], accuracy: Floats) -> None:
    axes.plot(
        [point.accepted for point in points],
        [point.reached for point in points],
        "o",
        color=SECOND,
        label="operating points, with a threshold for each label",
    )
    for near in _together(points, axes):
        share, reached = near[0].accepted, near[0].reached
        is_above = reached > accuracy[round(share * len(accuracy)) - 1]  # the line
        axes.annotate(
            ", ".join(f"{100 * point.precision:g}%" for point in near),
            (share, reached),
            (0, TEXT_AWAY if is_above else -TEXT_AWAY),
            textcoords="offset points",
            ha="center" if share < LAST else "right",
            va="bottom" if is_above else "top",
            color=SECOND,
        )


def _together(points: Sequence[OperatingPoint], axes: Axes) -> list[list[OperatingPoint]]:
    """The points in groups that are near each other."""
    low, high = axes.get_ylim()
    groups: list[list[OperatingPoint]] = []
    for point in points:
        first = groups[-1][0] if groups else None
        if (
            first is not None
            and abs(point.accepted - first.accepted) < NEAR
            and abs(point.reached - first.reached) < NEAR * (high - low)
        ):
            groups[-1].append(point)
        else:
            groups.append([point])
    return groups
