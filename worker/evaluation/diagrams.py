"""Diagrams of figures: the confusion matrix, the learning curves, the reliability of confidences,
and the operating points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter

from shared.messages.model_card import OperatingPoint
from worker.datasets.examples import Labels
from worker.evaluation.chart import FAINT, FIRST, SECOND, add_axes, empty, fitting, png_chart
from worker.evaluation.metrics import Bins, Counts, Epoch, Floats, Probabilities

LABEL_LENGTH, LABEL_INCHES = 28, 3.5
#: With more classes the numbers would not be legible.
NUMBERED_CLASSES = 25
#: Width and height of one cell, and the minimum of all cells together.
CELL_INCHES, FEWER_CELL_INCHES, LEAST_MATRIX_INCHES = 0.6, 0.15, 4.0
#: Beside the cells: the width of the bar, its distance, and its share of their height.
BAR_INCHES, BAR_GAP_INCHES, BAR_SHARE = 0.18, 0.3, 0.6
#: Shades grow with the square root of a share, so that 1 % of a row is visible.
SHADES = PowerNorm(0.5, vmin=0.0, vmax=1.0)
SHADE_TICKS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
DARK = 0.55  #: a shade above this needs white figures
CURVE_WIDTH_INCHES, CURVE_HEIGHT_INCHES = 4.2, 3.25  #: of each diagram
CURVE_GAP_INCHES = 1.05  #: between both, for the names of an axis
#: With more epochs the dots of a line would merge.
DOTTED_EPOCHS = 40
RELIABILITY_WIDTH_INCHES = 5.2
#: Of the accuracies and of the histogram below them.
HEIGHTS_INCHES, RELIABILITY_GAP_INCHES = (3.9, 1.3), 0.25
#: Of the lower edge of the legend above the accuracies, over the title.
LEGEND_INCHES = 0.3
#: The accuracy of fewer images is mostly chance; their bars are pale.
FEW_IMAGES = 20
FEW_LABEL = f"accuracy of fewer than {FEW_IMAGES} images"
PALE = "#A6CCE3"
#: Below 1, so that a single image has a bar.
LEAST_COUNT = 0.5
POINTS_SIZE_INCHES = (5.65, 3.75)
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
def confusion_matrix(labels: Sequence[str], counts: Counts) -> Figure:
    """Counts int64 [classes, classes], true x predicted, with each row's shares as shades."""
    numbered = len(labels) <= NUMBERED_CLASSES
    cell = CELL_INCHES if numbered else FEWER_CELL_INCHES
    side = max(LEAST_MATRIX_INCHES, cell * len(labels))
    figure = empty(side, side)
    axes = add_axes(figure, 0, 0, side, side)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    shades = axes.imshow(shares, cmap="Blues", norm=SHADES, interpolation="nearest")
    bar = figure.colorbar(
        shades, cax=_bar_axes(figure, side), ticks=SHADE_TICKS, format=PercentFormatter(1.0, 0)
    )
    bar.set_label("share of the images of a row")
    _label_axes(axes, labels, fontsize=9 if numbered else 7)
    if numbered:
        _write_counts(axes, counts, shares)
    right = int(counts.trace())
    axes.set_title(f"{right:,} of {int(counts.sum()):,} images are right (the diagonal)", pad=12)
    return figure


def _bar_axes(figure: Figure, side: float) -> Axes:
    """Axes for the bar."""
    height = BAR_SHARE * side
    return add_axes(figure, side + BAR_GAP_INCHES, (side - height) / 2, BAR_INCHES, height)


def _label_axes(axes: Axes, labels: Sequence[str], fontsize: int) -> None:
    names = [fitting(label, LABEL_LENGTH, LABEL_INCHES, fontsize) for label in labels]
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=90, fontsize=fontsize)
    axes.set_yticks(ticks, names, fontsize=fontsize)
    axes.set(xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(True)


def _write_counts(axes: Axes, counts: Counts, shares: np.ndarray) -> None:
    for (i, j), count in np.ndenumerate(counts):
        if count:
            colour = "white" if SHADES(shares[i, j]) > DARK else "black"
            axes.text(j, i, f"{count}", ha="center", va="center", fontsize=8, color=colour)


@png_chart
def curves(history: Sequence[Epoch]) -> Figure:
    """Loss and accuracy after each epoch, of which there is one at least."""
    second = CURVE_WIDTH_INCHES + CURVE_GAP_INCHES
    figure = empty(second + CURVE_WIDTH_INCHES, CURVE_HEIGHT_INCHES)
    losses, accuracies = (
        add_axes(figure, left, 0, CURVE_WIDTH_INCHES, CURVE_HEIGHT_INCHES) for left in (0, second)
    )
    epochs = [line.number for line in history]
    _curve_pair(losses, epochs, [e.loss for e in history], [e.heldout_loss for e in history])
    _curve_pair(
        accuracies, epochs, [e.accuracy for e in history], [e.heldout_accuracy for e in history]
    )
    losses.legend(loc="upper right", frameon=False)
    accuracies.legend(loc="lower right", frameon=False)
    losses.set(title="Loss", ylabel="nats per image")
    accuracies.set(title="Accuracy", ylabel="share of images that are right")
    accuracies.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def _curve_pair(axes: Axes, epochs: list[int], training: list[float], heldout: list[float]) -> None:
    dots = len(epochs) <= DOTTED_EPOCHS
    axes.plot(
        epochs, training, "--", color=SECOND, marker="o" if dots else "", ms=4, label="training"
    )
    axes.plot(epochs, heldout, color=FIRST, marker="s" if dots else "", ms=4, label="held out")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(epochs[0] - 0.9, epochs[-1] + 0.9)
    axes.grid(color=FAINT)


@png_chart
def reliability_diagram(bins: Bins) -> Figure:
    """The accuracy of each confidence bin, with its gap to the confidence, above a histogram."""
    upper, lower = HEIGHTS_INCHES
    figure = empty(RELIABILITY_WIDTH_INCHES, upper + RELIABILITY_GAP_INCHES + lower)
    below = add_axes(figure, 0, 0, RELIABILITY_WIDTH_INCHES, lower)
    above = add_axes(
        figure, 0, lower + RELIABILITY_GAP_INCHES, RELIABILITY_WIDTH_INCHES, upper, sharex=below
    )
    _accuracy_bars(above, bins)
    _histogram(below, bins)
    above.tick_params(labelbottom=False)
    above.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1 + LEGEND_INCHES / upper), ncols=2, frameon=False
    )
    above.set_title(
        f"Expected calibration error {bins.error:.2%} over {int(bins.counts.sum()):,} images"
    )
    return figure


def _accuracy_bars(axes: Axes, bins: Bins) -> None:
    centres, width = _bin_centres(bins)
    few, filled = bins.counts < FEW_IMAGES, bins.counts > 0
    for chosen, colour, name in ((~few, FIRST, "accuracy"), (few, PALE, FEW_LABEL)):
        axes.bar(
            centres[chosen], bins.accuracy[chosen], width, color=colour, edgecolor="white",
            label=name,
        )  # fmt: skip
    axes.bar(
        centres[filled], (bins.confidence - bins.accuracy)[filled], width, bins.accuracy[filled],
        color="none", edgecolor=SECOND, hatch="///", label="gap to the confidence",
    )  # fmt: skip
    axes.plot([0, 1], [0, 1], "--", color="black", lw=1, label="as it should be")
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is right")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def _histogram(axes: Axes, bins: Bins) -> None:
    centres, width = _bin_centres(bins)
    axes.bar(centres, bins.counts, width, color=FIRST, edgecolor="white")
    axes.set(xlabel="confidence", ylabel="images", yscale="log", ylim=(LEAST_COUNT, None))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    # Below a decade a log axis labels its minor ticks, too, as TeX.
    axes.yaxis.set_minor_formatter(NullFormatter())


def _bin_centres(bins: Bins) -> tuple[np.ndarray, float]:
    """The centres of the bins, and their width."""
    count = len(bins.counts)
    return (np.arange(count) + 0.5) / count, 1 / count


@png_chart
def accepted_accuracy(
    probabilities: Probabilities, truth: Labels, points: Sequence[OperatingPoint]
) -> Figure:
    """How accurate the accepted predictions of n > 0 images are, for every share of them, the most
    confident first."""
    figure = empty(*POINTS_SIZE_INCHES)
    axes = add_axes(figure, 0, 0, *POINTS_SIZE_INCHES)
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
        _draw_points(axes, usable, accuracy)
    axes.grid(color=FAINT)
    axes.legend(loc="lower left", frameon=False)
    return figure


def accuracies(probabilities: Probabilities, truth: Labels) -> Floats:
    """float64 [n]: the accuracy of the 1, 2, ... n most confident predictions."""
    order = np.argsort(-probabilities.max(1), kind="stable")
    right = (probabilities.argmax(1) == truth)[order]
    accuracies: Floats = np.cumsum(right) / np.arange(1, len(right) + 1)
    return accuracies


def _draw_points(axes: Axes, points: Sequence[OperatingPoint], accuracy: Floats) -> None:
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
