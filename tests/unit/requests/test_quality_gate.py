"""The quality gate: which versions are promoted automatically, and the sentence with the reason."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messages.model_card import Card
from shared.messages.training import Rule
from shared.registry import packaged
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.requests.promotion import GateDecision, PairedAccuracies, judge, paired

OLD = packaged.card()
RULES: tuple[Rule, ...] = ("if-better", "if-clearly-better", "always", "never")
shares = st.floats(0, 1)


def new_card(accuracy: float = 0.9, labels: tuple[str, ...] = ()) -> Card:
    metrics = msgspec.structs.replace(OLD.metrics, heldout_accuracy=accuracy, heldout_count=5_000)
    return msgspec.structs.replace(OLD, version=3, metrics=metrics, labels=labels or OLD.labels)


@given(accuracy=shares, measured=shares, error=st.floats(0, 0.2))
def test_if_better_promotes_versions_at_most_one_standard_error_worse(
    accuracy: float, measured: float, error: float
) -> None:
    compared = PairedAccuracies(100, accuracy, measured, error)
    verdict = judge("if-better", new_card(accuracy), OLD, compared)
    if not math.isclose(measured - accuracy, error):
        assert verdict.promote == (measured - accuracy < error)


@given(accuracy=shares, measured=shares, error=st.floats(0, 0.2))
def test_if_clearly_better_promotes_versions_more_than_one_standard_error_better(
    accuracy: float, measured: float, error: float
) -> None:
    compared = PairedAccuracies(100, accuracy, measured, error)
    new = new_card(accuracy)
    other = msgspec.structs.replace(new, recipe="fast")
    verdict = judge("if-clearly-better", other, OLD, compared)
    if not math.isclose(accuracy - measured, error):
        assert verdict.promote == (accuracy - measured > error)
    assert ("not promoted" in verdict.why) != verdict.promote
    same = judge("if-clearly-better", new, OLD, compared)
    assert same == judge("if-better", new, OLD, compared)


@pytest.mark.parametrize("rule", RULES)
@given(accuracy=shares)
def test_the_first_version_of_a_name_is_promoted_whatever_the_rule(
    rule: Rule, accuracy: float
) -> None:
    assert judge(rule, new_card(accuracy), None, None).promote


@pytest.mark.parametrize(
    "labels", [OLD.labels[::-1], OLD.labels[:-1], (*OLD.labels, "Hat")], ids=["order", "-", "+"]
)
def test_other_labels_are_never_promoted_automatically(labels: tuple[str, ...]) -> None:
    compared = PairedAccuracies(100, 1.0, 0.1, 0.01)
    verdict = judge("if-better", new_card(1.0, labels=labels), OLD, compared)
    assert not verdict.promote
    assert "labels" in verdict.why
    assert "hangtag models promote fashion-mnist@3" in verdict.why


def test_incomparable_versions_are_not_promoted() -> None:
    verdict = judge("if-better", new_card(1.0), OLD, None)
    assert not verdict.promote
    assert "cannot be measured" in verdict.why


def answers(images: list[int], right: list[bool]) -> HeldoutAnswers:
    labels = np.zeros(len(images), np.int64)
    logits = np.eye(2, dtype=np.float32)[(~np.array(right, bool)).astype(int)]
    return HeldoutAnswers(np.array(images, np.uint64), labels, logits)


#: Temperatures: with them losses are compared, too.
EQUAL = (1.0, 1.0)


def _surer(right: list[bool], times: float) -> HeldoutAnswers:
    """Answers of this confidence."""
    record = answers(list(range(len(right))), right)
    return record._replace(logits=record.logits * np.float32(times))


def _clearly(new: HeldoutAnswers, old: HeldoutAnswers) -> GateDecision:
    card = msgspec.structs.replace(new_card(), recipe="fast")
    return judge("if-clearly-better", card, OLD, paired(new, old, temperatures=EQUAL))


def test_a_lower_loss_promotes_where_counts_show_nothing() -> None:
    right = [True] * 390 + [False] * 10
    verdict = _clearly(_surer(right, 2.0), _surer(right, 1.0))
    assert verdict.promote
    assert "promoted: its loss is 0.161 nats lower, more than one standard error" in verdict.why
    assert not _clearly(_surer(right, 1.0), _surer(right, 2.0)).promote


def test_both_versions_are_judged_by_the_labels_of_today() -> None:
    """The labels of the old record are wrong, and have been corrected since."""
    old = answers(list(range(40)), [False] * 40)
    new = old._replace(labels=old.logits.argmax(1))
    compared = paired(new, old)
    assert compared is not None
    assert (compared.new, compared.old) == (1.0, 1.0)


def test_records_with_few_images_in_common_are_not_compared() -> None:
    new = answers(list(range(10)), [True] * 10)
    assert paired(new, answers(list(range(6, 20)), [True] * 14)) is None
    assert paired(answers([], []), new) is None
    assert paired(new, answers(list(range(5, 20)), [True] * 15)) is not None


def test_a_version_that_left_corrections_out_is_judged_by_them() -> None:
    """Its own labels would call the older version wrong where a person says that it is right."""
    files = np.repeat(np.arange(10, dtype=np.uint8), 32).reshape(10, 32)
    images, right, wrong = np.arange(10, dtype=np.uint64), np.eye(2)[[0] * 10], np.eye(2)[[1] * 10]
    old = HeldoutAnswers(images, np.zeros(10, np.int64), right.astype(np.float32), files)
    new = HeldoutAnswers(images, np.ones(10, np.int64), wrong.astype(np.float32), files)
    corrected = {bytes(digest): 0 for digest in files[:9]}
    compared = paired(new, old, corrected=corrected)
    assert compared is not None
    assert (compared.images, compared.old, compared.new) == (10, 0.9, 0.1)
