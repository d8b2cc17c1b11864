"""`hangtag models list`: a table of versions."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec

from producer.present.formatting import ago, one_line, percent, seconds_of, size
from producer.present.style import Column, fitted, good, name
from shared import runtimes
from shared.messages.model_card import Metrics
from shared.registry.catalog import VersionDetails

#: Both accuracies: the held-out one decides on a promotion, the test one says what to expect.
_COLUMNS = (
    Column("model", style=name),
    Column("aliases", least=10, style=good),
    Column("held-out", left=False),
    Column("test", left=False),
    Column("ECE", left=False, drop=3),
    Column("parameters", left=False, drop=5),
    Column("size", left=False, drop=4),
    Column("made", drop=1),
    Column("recipe", least=6),
    Column("data", least=8, drop=2),
)


class VersionRow(msgspec.Struct, frozen=True):
    """One version. Fractions 0 to 1; None if not measured."""

    model: str  #: name@version
    aliases: tuple[str, ...]
    accuracy: float | None
    measured_on: str | None  #: `test`, or `held-out` without a test set
    heldout_accuracy: float | None  #: decides on promotions
    heldout_count: int
    test_accuracy: float | None
    test_count: int
    ece: float | None
    parameters: int
    bytes: int | None  #: of the file that CPU workers load
    created: str  #: ISO 8601, UTC
    recipe: str
    dataset: str


def rows(versions: Iterable[VersionDetails]) -> list[VersionRow]:
    """The rows of these versions."""
    return [_row(version) for version in versions]


def table(versions: list[VersionRow], now_s: float | None = None) -> list[str]:
    """The rows as lines of text; `now_s` is the time in seconds since 1970."""
    now_s = time.time() if now_s is None else now_s
    return fitted(_COLUMNS, [_cells(row, now_s) for row in versions])


def best(metrics: Metrics) -> tuple[str, float | None, float | None]:
    """The images measured (test, or held-out without a test set), accuracy, calibration error."""
    if metrics.test_accuracy is not None:
        return "test", metrics.test_accuracy, metrics.test_ece
    if metrics.heldout_count:
        return "held-out", metrics.heldout_accuracy, metrics.heldout_ece
    return "", None, None


def _row(version: VersionDetails) -> VersionRow:
    card, metrics = version.card, version.card.metrics
    on, accuracy, ece = best(metrics)
    runtime = runtimes.serving(runtimes.DEFAULT.name, card.only_runtime)
    loaded = card.files_for(runtime)
    known = [version.sizes[name] for name in loaded if name in version.sizes]
    return VersionRow(
        model=card.ref,
        aliases=version.aliases,
        accuracy=accuracy,
        measured_on=on or None,
        heldout_accuracy=metrics.heldout_accuracy if metrics.heldout_count else None,
        heldout_count=metrics.heldout_count,
        test_accuracy=metrics.test_accuracy,
        test_count=metrics.test_count or 0,
        ece=ece,
        parameters=card.parameters,
        bytes=sum(known) if len(known) == len(loaded) else None,
        created=card.created,
        recipe=card.recipe,
        dataset=card.dataset,
    )


def _cells(row: VersionRow, now_s: float) -> tuple[str, ...]:
    return (
        row.model,
        ", ".join(row.aliases) or "-",
        percent(row.heldout_accuracy, 2),
        percent(row.test_accuracy, 2),
        percent(row.ece, 2),
        f"{row.parameters:,}",
        size(row.bytes),
        ago(seconds_of(row.created), now_s),
        one_line(row.recipe),
        one_line(row.dataset),
    )
