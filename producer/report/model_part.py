"""The parts of a page that describe a model version, as values for the template."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from producer.models.show import VersionDetails, facts, figures
from producer.pages import text
from producer.pages.pictures import PageImages, Picture
from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.registry.learned_lines import is_of_labels

#: The plots of a version: file name, title, and the picture in words.
PLOTS = {
    "curves.png": ("Training", "Loss and accuracy after every epoch."),
    "confusion.png": ("Confusion matrix", "How often each label was taken for each other one."),
    "reliability.png": ("Reliability", "How often a confidence is right."),
    "operating_points.png": ("Accepted predictions", "Their accuracy, against their share."),
    "mistakes.png": ("Mistakes", "The wrong predictions with the highest confidence."),
    "samples.png": ("Samples", "Images beside the probabilities of their labels."),
}


class Plot(NamedTuple):
    title: str
    words: str
    picture: Picture


def plots(card: Card, read: Callable[[str], bytes], images: PageImages) -> dict[str, Plot]:
    """The plots of a version by file name; `read` raises SetupError for a damaged file."""
    plots_by_name = {}
    for name, (title, words) in PLOTS.items():
        if name in card.files:
            try:
                picture = images.plot(read(name))
            except SetupError as error:
                picture = Picture(why=str(error))
            plots_by_name[name] = Plot(title, words, picture)
    return plots_by_name


def values(details: VersionDetails, drawn: dict[str, Plot]) -> dict[str, Any]:
    """The values of the template by name."""
    card = details.card
    return {
        "model": card.ref,
        "aliases": ", ".join(details.aliases),
        "facts": [(name, text.bounded(value, text.PATH_CHARS)) for name, value in facts(card)],
        "figures": figures(card.metrics),
        "right_of_others": card.right_of_others,
        "measured": "named images" if is_of_labels(card) else "images",
        "points_of": "images without a label" if is_of_labels(card) else "its held-out images",
        "points": [
            (point, sum(limit is None for limit in point.thresholds))
            for point in card.operating_points
        ],
        "plots": [plot for plot in drawn.values() if plot.picture.source],
    }
