"""The learning curves: loss and accuracy after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from worker.plots.chart import add_axes, empty, png_chart
from worker.plots.plot_style import FAINT, FIRST, SECOND

WIDTH_INCHES, HEIGHT_INCHES = 4.2, 3.25  #: of each diagram
GAP_INCHES = 1.05  #: between both, for the names of an axis
#: With more epochs the dots of a line would merge.
DOTTED_EPOCHS = 40


class Line(Protocol):
    """The plotted values of an epoch (worker.training.fit.Epoch)."""

    @property
    def number(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def accuracy(self) -> float: ...
    @property
    def heldout_loss(self) -> float: ...
    @property
    def heldout_accuracy(self) -> float: ...


@png_chart
def curves(history: Sequence[Line]) -> Figure:
    """`history` has at least one epoch."""
    second = WIDTH_INCHES + GAP_INCHES
    figure = empty(second + WIDTH_INCHES, HEIGHT_INCHES)
    losses, accuracies = (
        add_axes(figure, left, 0, WIDTH_INCHES, HEIGHT_INCHES) for left in (0, second)
    )
    epochs = [line.number for line in history]
    _pair(losses, epochs, [e.loss for e in history], [e.heldout_loss for e in history])
    _pair(accuracies, epochs, [e.accuracy for e in history], [e.heldout_accuracy for e in history])
    losses.legend(loc="upper right", frameon=False)
    accuracies.legend(loc="lower right", frameon=False)
    losses.set(title="Loss", ylabel="nats per image")
    accuracies.set(title="Accuracy", ylabel="share of images that are right")
    accuracies.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def _pair(axes: Axes, epochs: list[int], training: list[float], heldout: list[float]) -> None:
    dots = len(epochs) <= DOTTED_EPOCHS
    axes.plot(
        epochs, training, "--", color=SECOND, marker="o" if dots else "", ms=4, label="training"
    )
    axes.plot(epochs, heldout, color=FIRST, marker="s" if dots else "", ms=4, label="held out")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(epochs[0] - 0.9, epochs[-1] + 0.9)
    axes.grid(color=FAINT)
