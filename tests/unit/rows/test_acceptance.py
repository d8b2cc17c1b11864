"""A row is accepted if its confidence reaches its label's threshold and it has no flag."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.rows.acceptance import (
    Acceptance,
    at_precision,
    doubtless,
    from_confidence,
)
from producer.rows.row_batch import RowBatch
from shared.errors import UsageError
from shared.image_status import BY_CODE, FLAGS, Flag, Status
from shared.messages.model_card import IMPORTED, Card, Metrics, OperatingPoint
from shared.registry import packaged
from tests.unit.formats.test_text_format import card, packed
from worker.evaluation.operating_points import accepted, operating_points

CARD = card()
confidences = st.floats(0, 1, width=32)
rows = st.lists(
    st.tuples(
        st.sampled_from(BY_CODE), st.integers(0, 2), confidences, st.sampled_from(list(FLAGS))
    ),
    min_size=1,
)
limits = st.tuples(*[confidences | st.just(math.inf)] * 3)


def with_points(*points: tuple[float, tuple[float | None, ...]]) -> Card:
    found = tuple(OperatingPoint(p, None, 0.0, 0.0, thresholds) for p, thresholds in points)
    return msgspec.structs.replace(CARD, operating_points=found)


@given(limits, rows, st.integers(1, 3), st.booleans())
def test_a_batch_is_judged_row_by_row(
    thresholds: tuple[float, ...],
    found: list[tuple[Status, int, float, Flag]],
    k: int,
    has_flags: bool,
) -> None:
    result = packed(
        k,
        [status for status, *_ in found],
        [[(label, confidence)] + [(0, 0.0)] * (k - 1) for _, label, confidence, _ in found],
        [flag for *_, flag in found] if has_flags else [],
    )
    rule = Acceptance(thresholds)
    batch = RowBatch(b"\0".join([b"a"] * len(found)), result)
    assert list(batch.accepted_by(rule)) == [
        status is Status.OK and rule.accepts(label, confidence, has_flags and flag.code > 0)
        for status, label, confidence, flag in found
    ]


def test_the_thresholds_of_a_card_accept_what_its_figures_count() -> None:
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet([0.2] * 3, 2_000).astype(np.float32)
    labels = (probabilities.cumsum(1) > rng.random((2_000, 1))).argmax(1).astype(np.int64)
    judged = msgspec.structs.replace(CARD, operating_points=operating_points(probabilities, labels))
    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    result = packed(
        1,
        [Status.OK] * 2_000,
        [[(int(i), float(p))] for i, p in zip(predicted, confidence, strict=True)],
    )
    batch = RowBatch(b"", result)
    for point in judged.operating_points:
        found = list(batch.accepted_by(at_precision(judged, point.precision)))
        assert found == accepted(confidence, predicted, point.thresholds).tolist()
        assert np.mean(found) == pytest.approx(point.accepted)


def test_a_flagged_answer_is_never_accepted() -> None:
    assert from_confidence(CARD, 0.0).accepts(0, 0.0)
    assert not from_confidence(CARD, 0.0).accepts(0, 1.0, flagged=True)


def test_doubtful_is_what_the_next_lower_precision_with_thresholds_does_not_accept() -> None:
    all_points = with_points((0.95, (0.4, 0.5, 0.6)), (0.98, (0.8, None, 0.9)))
    assert doubtless(all_points).thresholds == (0.8, math.inf, 0.9)
    without = with_points((0.95, (0.4, 0.5, 0.6)), (0.98, (None, None, None)))
    assert doubtless(without).thresholds == (0.4, 0.5, 0.6)
    assert not any(doubtless(CARD).accepts(label, 1.0) for label in range(3))


def test_a_precision_without_thresholds_names_those_with_some() -> None:
    has = with_points((0.95, (0.4, 0.5, 0.6)), (0.98, (None, None, None)))
    with pytest.raises(UsageError, match=r"no threshold for --accept 98%; choose from 95%"):
        at_precision(has, 0.98)
    with pytest.raises(UsageError, match=r"no thresholds .* --min-confidence"):
        at_precision(CARD, 0.95)


@pytest.mark.parametrize("precision", [0.90, 0.95, 0.98, 0.99])
def test_the_shipped_version_has_thresholds_for_every_precision(precision: float) -> None:
    assert at_precision(packaged.card(), precision).accepts(9, 0.999)


def test_no_precision_is_promised_of_a_version_that_is_not_calibrated() -> None:
    foreign = msgspec.structs.replace(
        packaged.card(), name="mine", version=3, recipe=IMPORTED, operating_points=(),
        metrics=Metrics(0.0, 0, 0.0, 0.0),
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"^the confidence of mine@3 is not calibrated, so"):
        at_precision(foreign, 0.95)
