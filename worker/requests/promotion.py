"""Publishes a version once, decides whether it becomes `production`, and moves the alias once.

The gate compares the answers of two versions to images that both have held out. A version that is
measurably worse is not promoted, nor one that cannot be compared: a person can promote any.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from shared import recipes
from shared.errors import SetupError
from shared.labels.class_folders import folder_of
from shared.labels.submitted_lines import labelled
from shared.messages.model_card import Card
from shared.messages.model_name import PRODUCTION
from shared.messages.replies import Decided, Trained
from shared.messages.training import Rule
from shared.registry import learned_lines, staging
from shared.registry.mirror_writer import refresh
from shared.registry.registry import FIRST
from worker.datasets.examples import Digests, Labels
from worker.evaluation import heldout_answers
from worker.evaluation.calibration import log_losses
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.requests.context import PROMOTING, PUBLISHING, Context, Reply
from worker.runtimes.runtime import Logits
from worker.train.learner import BuiltVersion

log = logging.getLogger(__name__)
#: Images that are added to those that two versions answer differently, one for each. Without them
#: the spread of very few is too small: a single image would always exceed its standard error.
ADDED = 2
#: The loss of an answer that is a guess among the classes, by which those differ in their loss; of
#: two or three classes this.
LEAST_GUESS = 1.0


def published(context: Context, name: str, make: Callable[[], BuiltVersion]) -> Card:
    """The version of this request: the one that an earlier attempt has published, or a new one.

    Raises:
        RequestStopped: the request was cancelled or taken over.
    """
    # No other attempt runs: what earlier ones have staged is not published any more.
    staging.sweep(context.registry, name, context.request.mark)
    card = staging.published(context.registry, name, context.request.mark)
    if card is not None:
        return card
    made = make()
    context.stage(PUBLISHING)
    return context.registry.publish(*made, who=context.who, confirm=context.confirm)


def trained(context: Context, card: Card, rule: Rule, **details: Any) -> Reply:
    """A Trained with these fields, once it is settled whether a version is promoted.

    Raises:
        RequestStopped: the request was cancelled or taken over.
    """
    decided = settle(context, card, rule)
    refresh(context.client, context.registry)
    seconds = max(0.0, time.time() - context.request.created)
    return Reply(Trained(card.ref, card.metrics, decided, seconds, **details))


def settle(context: Context, new: Card, rule: Rule) -> Decided:
    """Promote a published version or not. A decision made before for this request is returned.

    Raises:
        RequestStopped: the request was cancelled or taken over.
    """
    context.stage(PROMOTING)
    while True:
        with suppress(_ProductionMoved):
            return _settle(context, new, rule)


class _ProductionMoved(Exception):
    """The version that `new` was compared with is not in production any more."""


def _settle(context: Context, new: Card, rule: Rule) -> Decided:
    registry, request = context.registry, new.request
    if done := registry.decided(new.name, request):
        return done
    current = registry.aliases(new.name).get(PRODUCTION)
    if current == new.version:
        why = f"{new.name}@{PRODUCTION} is version {current} already"
        return Decided(PRODUCTION, new.version, current, changed=False, why=why)
    verdict = _verdict(context, new, current, rule)
    if current is not None and not verdict.promote:
        return Decided(PRODUCTION, current, current, changed=False, why=verdict.why)

    def confirm() -> None:
        if registry.aliases(new.name).get(PRODUCTION) != current:
            raise _ProductionMoved
        context.confirm()

    return registry.promote(
        new.name,
        new.version,
        who=context.who,
        why=verdict.why,
        request=request,
        confirm=confirm,
    )


def _verdict(context: Context, new: Card, current: int | None, rule: Rule) -> GateDecision:
    if current is None:
        return judge(rule, new, None, None)
    try:
        old = context.registry.card(new.name, current)
        compared = _compared(context, new, old) if rule.startswith("if-") else None
    except SetupError as error:  # the new version is valid, so its training must not fail
        return unreadable(rule, new, error)
    return judge(rule, new, old, compared)


def _compared(context: Context, new: Card, old: Card) -> PairedAccuracies | None:
    """From the records of both versions; None if they do not suffice."""
    of_new, of_old = _answers(context, new), _answers(context, old)
    if old.labels != new.labels or of_new is None or of_old is None:
        return None
    same_input = old.preprocessing == new.preprocessing
    calibrated = all(card.output == "logits" for card in (new, old))
    temperatures = (new.temperature, old.temperature) if calibrated else None
    return paired(of_new, of_old, same_input, _corrected(context, new), temperatures)


def _corrected(context: Context, new: Card) -> dict[bytes, int]:
    """The label of each corrected file, as its number in the card; empty without a record."""
    numbers = {folder_of(label): number for number, label in enumerate(new.labels)}
    return {
        bytes.fromhex(file.sha256): numbers[folder_of(file.label)]
        for file in labelled(learned_lines.read(context.registry, new))
        if folder_of(file.label) in numbers
    }


def _answers(context: Context, card: Card) -> HeldoutAnswers | None:
    try:
        return heldout_answers.read(context.registry, card)
    except SetupError as error:  # the version itself can still be measured
        log.warning("%s", error)
        return None


class GateDecision(NamedTuple):
    """Whether to promote, and why: one sentence."""

    promote: bool
    why: str


class PairedAccuracies(NamedTuple):
    """Two versions on the same images."""

    images: int
    new: float  #: accuracy
    old: float
    error: float  #: standard error of the difference
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
    right = [answers.argmax(1) == truth for answers in logits]
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
        log_losses(answers / np.float32(temperature), truth)
        for answers, temperature in zip(logits, temperatures, strict=True)
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
    clearly = rule == "if-clearly-better" and new.recipe != recipes.current(old.recipe)
    if clearly and compared.gain is not None:
        return _decide_by_loss(new, old, compared, compared.gain)
    return _decide(new, old, compared, clearly=clearly)


def unreadable(rule: Rule, new: Card, error: Exception) -> GateDecision:
    """Judge `new` where production cannot be read."""
    promote = rule == "always"
    what = "promoted, as requested" if promote else "not promoted"
    return GateDecision(
        promote, f"{new.ref} is published; {what}: production cannot be read ({error})"
    )


def _exceeds(difference: float, error: float) -> bool:
    """Two images of two are exactly one standard error, which rounding must not decide."""
    return difference > error and not math.isclose(difference, error)


def _figures(new: Card, old: Card, compared: PairedAccuracies) -> str:
    return (
        f"{new.ref} has {compared.new:.2%} on the {compared.images:,} held-out images, production "
        f"({old.ref}) {compared.old:.2%}"
    )


def _decide(new: Card, old: Card, compared: PairedAccuracies, *, clearly: bool) -> GateDecision:
    lead = compared.new - compared.old
    promote = _exceeds(lead, compared.error) if clearly else not _exceeds(-lead, compared.error)
    relation = "better" if clearly else "worse"
    negation = "" if promote == clearly else "not "
    return GateDecision(
        promote,
        f"{_figures(new, old, compared)}; {'promoted' if promote else 'not promoted'}: "
        f"{negation}{relation} by more than one standard error ({compared.error:.2%})",
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
