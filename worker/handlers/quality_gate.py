"""The quality gate: whether a new version becomes production automatically."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from shared.messages.model_card import Card
from shared.registry.registry import FIRST

Rule = Literal["if-better", "always", "never"]


class GateDecision(NamedTuple):
    """Whether to promote, and why: one sentence."""

    promote: bool
    why: str


def judge(rule: Rule, new: Card, old: Card | None, measured: float | None) -> GateDecision:
    """Judge `new` against `old`, the version behind `production`; None if there is none.

    `measured` is the accuracy of `old` on the held-out images of `new`; None if it cannot be
    measured. The first version of a name is promoted under every rule: without it the name would
    not refer to any version.
    """
    if old is None:
        return GateDecision(True, FIRST)
    if rule == "never":
        return GateDecision(False, f"{new.ref} is published; not promoted, as requested")
    if rule == "always":
        return GateDecision(True, f"{new.ref} is promoted over {old.ref}, as requested")
    if new.labels != old.labels:
        return GateDecision(False, _other_labels(new, old))
    if measured is None or not new.metrics.heldout_count:
        return GateDecision(False, _incomparable(new, old))
    return _compare(new, old, measured)


def unreadable(rule: Rule, new: Card, error: Exception) -> GateDecision:
    """Judge `new` where production cannot be read."""
    promote = rule == "always"
    what = "promoted, as requested" if promote else "not promoted"
    return GateDecision(
        promote, f"{new.ref} is published; {what}: production cannot be read ({error})"
    )


def standard_error(accuracy: float, count: int) -> float:
    """The standard error of an accuracy that was measured on `count` images."""
    return math.sqrt(accuracy * (1 - accuracy) / count)


def _compare(new: Card, old: Card, measured: float) -> GateDecision:
    accuracy, count = new.metrics.heldout_accuracy, new.metrics.heldout_count
    error = standard_error(measured, count)
    promote = accuracy >= measured - error
    outcome = "promoted: not worse by" if promote else "not promoted: worse by"
    return GateDecision(
        promote,
        f"{new.ref} has {accuracy:.4f} on the {count:,} held-out images, production ({old.ref}) "
        f"{measured:.4f}; {outcome} more than one standard error ({error:.4f})",
    )


def _other_labels(new: Card, old: Card) -> str:
    same = sorted(new.labels) == sorted(old.labels)
    what = "orders the labels differently from" if same else "has other labels than"
    return (
        f"{new.ref} {what} production ({old.ref}); not promoted: tables would change their "
        f"meaning; promote it with: hangtag models promote {new.ref}"
    )


def _incomparable(new: Card, old: Card) -> str:
    return (
        f"production ({old.ref}) cannot be measured on the held-out images of {new.ref}; "
        f"not promoted; promote it with: hangtag models promote {new.ref}"
    )
