"""Decides whether a published version becomes `production`, and moves the alias once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from shared.errors import SetupError
from shared.labels.class_folders import folder_of
from shared.labels.submitted_lines import labelled
from shared.messages.model_card import Card, Preprocessing
from shared.messages.model_name import PRODUCTION
from shared.messages.replies import Decided
from shared.messages.training import Rule
from shared.registry import alias_operations, learned_lines
from worker.backbones import served_version
from worker.datasets.examples import Examples
from worker.evaluation import heldout_answers
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.evaluation.metrics import evaluate
from worker.handlers import quality_gate
from worker.handlers.context import PROMOTING, Context

log = logging.getLogger(__name__)
#: Returns the held-out images with this preprocessing; None if they are not available.
HeldOut = Callable[[Preprocessing], Examples | None]


def settle(context: Context, new: Card, rule: Rule, heldout: HeldOut) -> Decided:
    """Promote a published version or not. A decision made before for this request is returned.

    Raises:
        RequestStopped: the request was cancelled or taken over.
    """
    context.stage(PROMOTING)
    while True:
        with suppress(_ProductionMoved):
            return _settle(context, new, rule, heldout)


class _ProductionMoved(Exception):
    """The version that `new` was compared with is not in production any more."""


def _settle(context: Context, new: Card, rule: Rule, heldout: HeldOut) -> Decided:
    registry, request = context.registry, new.request
    if done := alias_operations.decided(registry, new.name, request):
        return done
    current = registry.aliases(new.name).get(PRODUCTION)
    if current == new.version:
        why = f"{new.ref} is production already"
        return Decided(PRODUCTION, new.version, current, changed=False, why=why)
    verdict = _verdict(context, new, current, rule, heldout)
    if current is not None and not verdict.promote:
        return Decided(PRODUCTION, current, current, changed=False, why=verdict.why)

    def confirm() -> None:
        if registry.aliases(new.name).get(PRODUCTION) != current:
            raise _ProductionMoved
        context.confirm()

    registry.promote(
        new.name,
        new.version,
        who=context.who,
        why=verdict.why,
        request=request,
        confirm=confirm,
    )
    done = alias_operations.decided(registry, new.name, request)
    if done is None:  # another process has promoted this version
        raise _ProductionMoved
    return done


def _verdict(
    context: Context, new: Card, current: int | None, rule: Rule, heldout: HeldOut
) -> quality_gate.GateDecision:
    if current is None:
        return quality_gate.judge(rule, new, None, None)
    try:
        old = context.registry.card(new.name, current)
        compared = _compared(context, new, old, heldout) if rule.startswith("if-") else None
    except SetupError as error:  # the new version is valid, so its training must not fail
        return quality_gate.unreadable(rule, new, error)
    return quality_gate.judge(rule, new, old, compared)


def _compared(
    context: Context, new: Card, old: Card, heldout: HeldOut
) -> quality_gate.PairedAccuracies | None:
    """From the records of both versions, else by running `old` on the held-out images."""
    if old.labels != new.labels:
        return None
    of_new, of_old = _answers(context, new), _answers(context, old)
    if of_new and of_old:
        same_input = old.preprocessing == new.preprocessing
        corrected = _corrected(context, new)
        calibrated = all(card.output == "logits" for card in (new, old))
        temperatures = (new.temperature, old.temperature) if calibrated else None
        comparison = quality_gate.paired(of_new, of_old, same_input, corrected, temperatures)
        if comparison:
            return comparison
    if new.folds:  # it is measured on all images, of which no other version holds out the same
        return None
    images = heldout(old.preprocessing)
    if images is None or not len(images.labels):
        return None
    if len(images.labels) != new.metrics.heldout_count or _has_learned(context, old, images):
        return None
    version = served_version.fetch(old, partial(context.registry.read, old))
    return quality_gate.unpaired(new, evaluate(version.load(), images).accuracy)


def _corrected(context: Context, new: Card) -> dict[bytes, int]:
    """The label of each corrected file, as its number in the card; empty without a record."""
    numbers = {folder_of(label): number for number, label in enumerate(new.labels)}
    return {
        bytes.fromhex(file.sha256): numbers[folder_of(file.label)]
        for file in labelled(learned_lines.read(context.registry, new))
        if folder_of(file.label) in numbers
    }


def _has_learned(context: Context, old: Card, images: Examples) -> bool:
    """Whether its accuracy on these images would be too high; False if that is unknown."""
    known = heldout_answers.read_seen(context.registry, old)
    return known is not None and heldout_answers.count_seen(known, [images])[0] > 0


def _answers(context: Context, card: Card) -> HeldoutAnswers | None:
    try:
        return heldout_answers.read(context.registry, card)
    except SetupError as error:  # the version itself can still be measured
        log.warning("%s", error)
        return None
