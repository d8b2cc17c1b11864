"""The reliability diagram, with a histogram of the confidences."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter, StrMethodFormatter

from worker.evaluation.reliability import Bins
from worker.plots.chart import add_axes, empty, png_chart
from worker.plots.plot_style import FIRST, SECOND

WIDTH_INCHES = 5.2
#: Of the accuracies and of the histogram below them.
HEIGHTS_INCHES, GAP_INCHES = (3.9, 1.3), 0.25
#: Of the lower edge of the legend above the accuracies, over the title.
LEGEND_INCHES = 0.3
#: The accuracy of fewer images is mostly chance; their bars are pale.
FEW_IMAGES = 20
FEW_LABEL = f"accuracy of fewer than {FEW_IMAGES} images"
PALE = "#A6CCE3"
#: Below 1, so that a single image has a bar.
LEAST_COUNT = 0.5


@png_chart
def reliability_diagram(bins: Bins) -> Figure:
    """The accuracy of each confidence bin, with its gap to the confidence."""
    upper, lower = HEIGHTS_INCHES
    figure = empty(WIDTH_INCHES, upper + GAP_INCHES + lower)
    below = add_axes(figure, 0, 0, WIDTH_INCHES, lower)
    above = add_axes(figure, 0, lower + GAP_INCHES, WIDTH_INCHES, upper, sharex=below)
    _accuracies(above, bins)
    _histogram(below, bins)
    above.tick_params(labelbottom=False)
    above.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1 + LEGEND_INCHES / upper), ncols=2, frameon=False
    )
    above.set_title(
        f"Expected calibration error {bins.error:.2%} over {int(bins.counts.sum()):,} images"
    )
    return figure


def _accuracies(axes: Axes, bins: Bins) -> None:
    centres, width = _places(bins)
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
    centres, width = _places(bins)
    axes.bar(centres, bins.counts, width, color=FIRST, edgecolor="white")
    axes.set(xlabel="confidence", ylabel="images", yscale="log", ylim=(LEAST_COUNT, None))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    # Below a decade a log axis labels its minor ticks, too, as TeX.
    axes.yaxis.set_minor_formatter(NullFormatter())


def _places(bins: Bins) -> tuple[np.ndarray, float]:
    """The centres of the bins, and their width."""
    count = len(bins.counts)
    return (np.arange(count) + 0.5) / count, 1 / count
