"""The quality gate: whether a new version becomes production automatically."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from shared import recipes
from shared.messages.model_card import Card
from shared.messages.training import Rule
from shared.registry.registry import FIRST
from worker.datasets.examples import Digests, Labels
from worker.evaluation.calibration import log_losses
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.runtimes.runtime import Logits

#: Images that are added to those that two versions answer differently, one for each. Without them
#: the spread of very few is too small: a single image would always exceed its standard error.
ADDED = 2
#: The loss of an answer that is a guess among the classes, by which those differ in their loss; of
#: two or three classes this.
LEAST_GUESS = 1.0


class GateDecision(NamedTuple):
    """Whether to promote, and why: one sentence."""

    promote: bool
    why: str


class PairedAccuracies(NamedTuple):
    """Two versions on the same images."""

    images: int
    new: float  #: accuracy
    old: float
    error: float  #: standard error of the difference, or of `old` if the answers are not paired
    gain: float | None = None  #: mean loss of `old` less that of `new`, nats; None: unknown
    gain_error: float = 0.0  #: its standard error


def paired(
    new: HeldoutAnswers,
    old: HeldoutAnswers,
    same_input: bool = True,
    corrected: Mapping[bytes, int] | None = None,
    temperatures: tuple[float, float] | None = None,
) -> PairedAccuracies | None:
    """Compare on images held out from both; None if they are fewer than half of the smaller record.

    `corrected` are labels that people gave, by the SHA-256 of the file, also if `new` left them
    out. Their losses are those of probabilities with these temperatures, if they are given.

    Images are the same if their files are, whatever the recipes; without files if their pixels are,
    which requires the `same_input`.
    """
    keys = _keys(new, old, same_input)
    if keys is None:
        return None
    common, of_new, of_old = np.intersect1d(*keys, return_indices=True)
    if not len(common) or 2 * len(common) < min(len(new.labels), len(old.labels)):
        return None
    truth = new.labels[of_new]  # a label may have been corrected since
    if corrected and new.files is not None:
        truth = truth.copy()
        for i, digest in enumerate(map(bytes, new.files[of_new])):
            truth[i] = corrected.get(digest, truth[i])
    logits = new.logits[of_new], old.logits[of_old]
    right = [one.argmax(1) == truth for one in logits]
    differ = int(np.count_nonzero(right[0] != right[1]))
    return PairedAccuracies(
        len(common),
        float(right[0].mean()),
        float(right[1].mean()),
        math.sqrt(differ + ADDED) / len(common),
        *(_gain(logits, truth, temperatures) if temperatures else ()),
    )


def _gain(
    logits: tuple[Logits, Logits], truth: Labels, temperatures: tuple[float, float]
) -> tuple[float, float]:
    """By how much the loss of the new version is lower, and the standard error."""
    new, old = (
        log_losses(one / np.float32(heat), truth)
        for one, heat in zip(logits, temperatures, strict=True)
    )
    gains = old - new
    guess = max(LEAST_GUESS, math.log(logits[0].shape[1]))
    squares = float(np.square(gains).sum()) + ADDED * guess**2
    return float(gains.mean()), math.sqrt(squares) / len(gains)


def _keys(new: HeldoutAnswers, old: HeldoutAnswers, same_input: bool) -> tuple[Any, Any] | None:
    """What identifies the images of both."""
    if new.files is not None and old.files is not None:
        return _as_bytes(new.files), _as_bytes(old.files)
    return (new.images, old.images) if same_input else None


def _as_bytes(digests: Digests) -> Any:
    """One value for each digest [n]."""
    return np.ascontiguousarray(digests).view(f"V{digests.shape[1]}")[:, 0]


def unpaired(new: Card, measured: float) -> PairedAccuracies:
    """Compare with the accuracy of `old` as measured on the held-out images of `new`."""
    count = new.metrics.heldout_count
    error = math.hypot(standard_error(measured, count), math.sqrt(ADDED) / count)
    return PairedAccuracies(count, new.metrics.heldout_accuracy, measured, error)


def judge(
    rule: Rule,
    new: Card,
    old: Card | None,
    compared: PairedAccuracies | None,
) -> GateDecision:
    """Judge `new` against `old`, the version behind `production`; None if there is none.

    `compared` is None if the versions cannot be compared. The first version of a name is promoted
    under every rule: without it the name would not refer to any version.
    """
    if old is None:
        return GateDecision(True, FIRST)
    if rule == "never":
        return GateDecision(False, f"{new.ref} is published; not promoted, since the rule is never")
    if rule == "always":
        return GateDecision(True, f"{new.ref} is promoted over {old.ref}, as requested")
    if new.labels != old.labels:
        return GateDecision(False, _other_labels(new, old))
    if compared is None:
        return GateDecision(False, _incomparable(new, old))
    # A newer version of the same recipe knows more images, or corrected labels.
    if rule == "if-clearly-better" and new.recipe != recipes.current(old.recipe):
        return _decide_clearly(new, old, compared)
    return _decide(new, old, compared)


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


def _exceeds(difference: float, error: float) -> bool:
    """Two images of two are exactly one standard error, which rounding must not decide."""
    return difference > error and not math.isclose(difference, error)


def _figures(new: Card, old: Card, compared: PairedAccuracies) -> str:
    return (
        f"{new.ref} has {compared.new:.2%} on the {compared.images:,} held-out images, production "
        f"({old.ref}) {compared.old:.2%}"
    )


def _decide(new: Card, old: Card, compared: PairedAccuracies) -> GateDecision:
    promote = not _exceeds(compared.old - compared.new, compared.error)
    outcome = "promoted: not worse by" if promote else "not promoted: worse by"
    return GateDecision(
        promote,
        f"{_figures(new, old, compared)}; {outcome} more than one standard error "
        f"({compared.error:.2%})",
    )


def _decide_clearly(new: Card, old: Card, compared: PairedAccuracies) -> GateDecision:
    if compared.gain is not None:
        return _decide_by_loss(new, old, compared, compared.gain)
    promote = _exceeds(compared.new - compared.old, compared.error)
    outcome = "promoted: better by" if promote else "not promoted: not better by"
    return GateDecision(
        promote,
        f"{_figures(new, old, compared)}; {outcome} more than one standard error "
        f"({compared.error:.2%})",
    )


def _decide_by_loss(new: Card, old: Card, compared: PairedAccuracies, gain: float) -> GateDecision:
    """The loss sees more of an answer than whether it is right, so it needs fewer images."""
    is_lower = _exceeds(gain, compared.gain_error)
    is_right = not _exceeds(compared.old - compared.new, compared.error)
    why = f"its loss is {abs(gain):.3f} nats {'lower' if gain >= 0 else 'higher'}"
    if is_lower and not is_right:
        outcome = f"not promoted: worse by more than one standard error ({compared.error:.2%})"
    else:
        than = "" if is_lower else "not better by "
        wanted = f"one standard error ({compared.gain_error:.3f})"
        outcome = f"{'promoted' if is_lower else 'not promoted'}: {why}, {than}more than {wanted}"
    return GateDecision(
        is_lower and is_right,
        f"{_figures(new, old, compared)}; {outcome}",
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
