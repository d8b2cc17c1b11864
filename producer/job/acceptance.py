"""Which answers are accepted: those whose confidence reaches the threshold of their label.

The thresholds are those of an operating point of the card (`--accept`), or one confidence for all
labels (`--min-confidence`). A flagged row is never accepted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import ge
from typing import NamedTuple

from shared.errors import UsageError
from shared.messages.model_card import Card, OperatingPoint
from shared.registry.learned_lines import is_of_labels

#: The label of a row that is not accepted.
UNKNOWN = "unknown"
#: The precision below which a row is doubtful, and the next ones if a card has no threshold for it.
_DOUBTFUL = (0.98, 0.95, 0.90)
#: Between two numbers for the same precision, of a card and of a command line.
_TOLERANCE = 1e-9
_NEVER = math.inf


class Acceptance(NamedTuple):
    """The rule of one model version."""

    thresholds: tuple[float, ...]  #: by label; infinite: no row of it is accepted

    def accepts(self, label: int, confidence: float, flagged: bool = False) -> bool:
        """Whether the answer of one image is accepted; `label` is an index of the card's labels."""
        return not flagged and confidence >= self.thresholds[label]

    def confident(self, labels: Sequence[int], confidences: Sequence[float]) -> bytes:
        """1 for each answer that reaches the threshold of its label, else 0."""
        return bytes(map(ge, confidences, map(self.thresholds.__getitem__, labels)))


def from_confidence(card: Card, confidence: float) -> Acceptance:
    """One threshold for all labels."""
    return Acceptance((confidence,) * len(card.labels))


def at_precision(card: Card, precision: float) -> Acceptance:
    """The thresholds for a precision of the card's operating points, for example 0.98.

    Raises:
        UsageError: the card has none for it; the message names others, or why.
    """
    point = _point(card, precision)
    if point is None:
        raise UsageError(_lacks(card, precision))
    return _of(point)


def for_table(card: Card, precision: float) -> Acceptance:
    """As `at_precision`, but where a version of first labels is sure of nothing it accepts no row:
    all that no person has named become unknown."""
    if is_sure_of_none(card, precision):
        return from_confidence(card, _NEVER)
    return at_precision(card, precision)


def is_sure_of_none(card: Card, precision: float) -> bool:
    """Whether a version of first labels has this precision, and accepts nothing at it."""
    has = any(_is_of(point, precision) for point in card.operating_points)
    return has and is_of_labels(card) and _point(card, precision) is None


def doubtless(card: Card) -> Acceptance:
    """What accepts the rows that are not doubtful: `--accept 98%`, or the next lower precision that
    the card has thresholds for. Without any, every row is doubtful."""
    point = doubtless_point(card)
    return from_confidence(card, _NEVER) if point is None else _of(point)


def doubtless_point(card: Card) -> OperatingPoint | None:
    """The operating point that `doubtless` uses; None if the card has no thresholds."""
    return next(filter(None, (_point(card, precision) for precision in _DOUBTFUL)), None)


def _of(point: OperatingPoint) -> Acceptance:
    return Acceptance(tuple(_NEVER if t is None else t for t in point.thresholds))


def _point(card: Card, precision: float) -> OperatingPoint | None:
    """The card's operating point; None if it accepts nothing, too."""
    for point in card.operating_points:
        if _is_of(point, precision):
            return None if all(t is None for t in point.thresholds) else point
    return None


def _is_of(point: OperatingPoint, precision: float) -> bool:
    return math.isclose(point.precision, precision, abs_tol=_TOLERANCE)


def _lacks(card: Card, precision: float) -> str:
    has = [p.precision for p in card.operating_points if _point(card, p.precision) is not None]
    if has:
        known = ", ".join(f"{p:.0%}" for p in sorted(has))
        return (
            f"{card.ref} has no threshold for --accept {precision:.0%}; choose from {known}, "
            "or give --min-confidence"
        )
    if is_sure_of_none(card, precision):
        return f"{card.ref} is sure of no image without a label; name more with hangtag label"
    if not card.is_calibrated:
        command = f"hangtag models calibrate {card.ref} --data DIR"
        return (
            f"the confidence of {card.ref} is not calibrated, so no precision is promised; "
            f"give --min-confidence instead, or calibrate it with: {command}"
        )
    lacks = "has no held-out answers to choose them from"
    if card.operating_points:
        lacks = f"has too few right held-out answers ({card.metrics.heldout_count:,} in all)"
    return (
        f"{card.ref} has no thresholds for --accept, since its card {lacks}; "
        "give --min-confidence instead, or train a new version"
    )
