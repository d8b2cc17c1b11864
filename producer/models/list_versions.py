"""`hangtag models list`: a table of versions."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from producer.models.catalog import Catalog
from producer.output.formatting import columns, moment, one_line, share, size
from shared.messages.model_card import Metrics
from shared.registry.catalog import CatalogModel, CatalogVersion

#: The file that CPU workers load; its size is the size of the version.
SERVED = "model.tflite"
_HEAD = (
    "model", "aliases", "accuracy", "on", "ECE", "parameters", "size", "made (UTC)", "recipe",
    "data",
)  # fmt: skip
_LEFT = ("model", "aliases", "on", "made (UTC)", "recipe", "data")


class VersionRow(msgspec.Struct, frozen=True):
    """One version. Fractions 0 to 1; None if not measured."""

    model: str  #: name@version
    aliases: tuple[str, ...]
    accuracy: float | None
    measured_on: str | None  #: `test`, or `held-out` without a test set
    ece: float | None
    parameters: int
    bytes: int | None  #: of the file that CPU workers load
    created: str  #: ISO 8601, UTC
    recipe: str
    dataset: str


def rows(shelf: Catalog, name: str = "") -> list[VersionRow]:
    """The versions of one model, or of all.

    Raises:
        UsageError, SetupError: there is no model of this name.
    """
    models = [shelf.model(name)] if name else shelf.models
    return [_row(model, version) for model in models for version in model.versions]


def table(found: list[VersionRow]) -> list[str]:
    """The rows as lines of text."""
    return columns(_HEAD, [_cells(row) for row in found], _LEFT)


def best(metrics: Metrics) -> tuple[str, float | None, float | None]:
    """The images measured (test, or held-out without a test set), accuracy, calibration error."""
    if metrics.test_accuracy is not None:
        return "test", metrics.test_accuracy, metrics.test_ece
    if metrics.heldout_count:
        return "held-out", metrics.heldout_accuracy, metrics.heldout_ece
    return "", None, None


def _row(model: CatalogModel, version: CatalogVersion) -> VersionRow:
    card = version.card
    on, accuracy, ece = best(card.metrics)
    return VersionRow(
        model=card.ref,
        aliases=tuple(sorted(_aliases(model, card.version))),
        accuracy=accuracy,
        measured_on=on or None,
        ece=ece,
        parameters=card.parameters,
        bytes=version.sizes.get(SERVED),
        created=card.created,
        recipe=card.recipe,
        dataset=card.dataset,
    )


def _aliases(model: CatalogModel, number: int) -> Iterator[str]:
    return (alias for alias, version in model.aliases.items() if version == number)


def _cells(row: VersionRow) -> tuple[str, ...]:
    return (
        row.model,
        ", ".join(row.aliases) or "-",
        share(row.accuracy),
        row.measured_on or "-",
        share(row.ece),
        f"{row.parameters:,}",
        size(row.bytes),
        moment(row.created),
        one_line(row.recipe),
        one_line(row.dataset),
    )
