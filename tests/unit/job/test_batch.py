"""The rows of a batch, and what they are displayed as."""

from __future__ import annotations

import math
import struct
from operator import attrgetter
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.job.acceptance import (
    Acceptance,
    at_precision,
    doubtless,
    for_table,
    from_confidence,
)
from producer.job.columns import COLUMNS, GUESS, SOURCE, Decimals, Names, Words, table_columns
from producer.job.folder_labels import FolderLabels, LabelPairs
from producer.job.records import Record
from producer.job.row_batch import Decision, RowBatch, Rules
from shared.errors import UsageError
from shared.image_status import BY_CODE, FLAGS, Flag, Status
from shared.messages.batch import BatchResult, encode_result
from shared.messages.model_card import IMPORTED, Card, Metrics, OperatingPoint
from shared.registry import learned_lines, packaged
from tests.unit.table.test_csv_cells import names
from tests.unit.table.test_text_format import CsvText, Given, card, packed
from worker.evaluation.operating_points import accepted, operating_points

paths = names.filter(lambda name: name and b"\0" not in name)
#: Probabilities, and what a damaged model may send.
values = st.floats(0, 1, width=32) | st.floats(width=32)
#: 0.03125 and its multiples are exact as float32, and half a unit above a decimal.
HALVES = [0.03125, 0.3125, 0.96875]
OTHERS = [0.0, 1.0, -0.0, -0.25, -1e-5, 1.5, 2.0, 3e9, float("inf"), float("nan")]
CARD = card()


class Case(NamedTuple):
    card: Card
    names: list[bytes]
    result: BatchResult
    rules: Rules
    top_k: int
    probabilities: bool
    columns: tuple[str, ...]

    def excluded(self) -> frozenset[int]:
        """Rows whose guess people excluded."""
        given_labels = self.rules.given_labels
        return given_labels.without if isinstance(given_labels, Given) else frozenset()

    def rows(self) -> RowBatch:
        """As a journal has them."""
        names, result = b"\0".join(self.names), encode_result(self.result)
        record = Record(0, 0, len(self.names), names, b"", b"", None, result=result)
        return record.rows(1, self.rules)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A card, a result of it, and how its rows are displayed."""
    text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
    labels = draw(st.lists(text, min_size=1, max_size=5, unique=True))
    found = draw(st.lists(paths, min_size=1, max_size=6))
    count, probabilities = len(found), draw(st.booleans())
    k = len(labels) if probabilities else draw(st.integers(1, len(labels)))
    ranks = [draw(st.permutations(range(len(labels))))[:k] for _ in found]
    numbers = draw(st.lists(values, min_size=count * k, max_size=count * k))
    codes = st.lists(st.integers(0, len(BY_CODE) - 1) | st.just(0), min_size=count, max_size=count)
    flags = st.lists(st.integers(0, len(FLAGS) - 1), min_size=count, max_size=count)
    result = BatchResult(
        k,
        bytes(draw(codes)),
        struct.pack(f"<{count * k}H", *(label for each in ranks for label in each)),
        struct.pack(f"<{count * k}f", *numbers),
        draw(st.just(b"") | flags.map(bytes)),
    )
    limit = st.floats(0, 1, width=32) | st.just(float("inf"))
    limits = st.lists(limit, min_size=len(labels), max_size=len(labels))
    rule = draw(st.none() | limits.map(lambda some: Acceptance(tuple(some))))
    given_ = st.dictionaries(st.integers(0, count - 1), text | st.sampled_from(labels))
    excluded = st.frozensets(st.integers(0, count - 1))
    persons = draw(st.none() | st.builds(Given, given_, excluded))
    known = [*COLUMNS[1:], GUESS, SOURCE]
    columns = st.lists(st.sampled_from(known), unique=True)
    return Case(
        card(tuple(labels)), found, result, Rules(rule, persons), draw(st.integers(1, k)),
        probabilities, tuple(draw(columns)),
    )  # fmt: skip


@given(cases())
def test_what_a_rule_accepts_depends_on_labels_that_people_excluded_and_on_none_that_they_gave(
    case: Case,
) -> None:
    rule = case.rules.acceptance or Acceptance((0.5,) * len(case.card.labels))
    batch = case.rows()
    excluded = case.excluded()
    answers = zip(batch.statuses, batch.flags, batch.labels, batch.confidences, strict=True)
    assert list(batch.accepted_by(rule)) == [
        not status and i not in excluded and rule.accepts(label, confidence, flag > 0)
        for i, (status, flag, label, confidence) in enumerate(answers)
    ]


@given(cases())
def test_failed_comes_before_person_before_excluded_before_flagged_before_accepted(
    case: Case,
) -> None:
    batch = case.rows()
    given_ = case.rules.given_labels.labels_by_row(batch) if case.rules.given_labels else {}
    for i, decision in enumerate(batch.decisions):
        label, confidence = batch.labels[i], batch.confidences[i]
        if case.result.statuses[i]:
            assert decision == Decision.FAILED
        elif i in given_:
            assert decision == Decision.PERSON
        elif i in case.excluded():
            assert decision == Decision.UNKNOWN
        elif case.result.flags and case.result.flags[i]:
            assert decision == Decision.FLAGGED
        else:
            rule = case.rules.acceptance
            is_accepted = rule is None or rule.accepts(label, confidence)
            assert decision == (Decision.ACCEPTED if is_accepted else Decision.UNKNOWN)
    assert batch.given_labels == {i: given_[i] for i in given_ if not case.result.statuses[i]}


@pytest.mark.parametrize("digits", [0, 4])
@pytest.mark.parametrize("number", [*HALVES, *OTHERS])
def test_a_number_is_written_as_python_does(number: float, digits: int) -> None:
    result = BatchResult(1, b"\0", b"\0\0", struct.pack("<f", number))
    columns = Names("path"), Decimals("number", attrgetter("confidences"), digits)
    (single,) = struct.unpack("<f", result.probabilities)
    assert CsvText(columns).lines(RowBatch(b"a.png", result)) == f"a.png,{single:.{digits}f}\n"


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


def test_a_failed_row_has_no_guess_also_beside_65536_labels() -> None:
    many = card(tuple(map(str, range(65_536))))
    guess = table_columns(many, Rules(), chosen=(GUESS,))[1]
    batch = RowBatch(b"a\0b", packed(1, [Status.OK, Status.MISSING], [[(65_535, 0.5)], []]))
    assert isinstance(guess, Words)
    assert [guess.words[code] for code in guess.codes(batch)] == ["65535", ""]


def test_each_file_has_the_label_of_its_own_folder() -> None:
    folders, result = FolderLabels(["Bag", "Coat"]), BatchResult(1, bytes(2), bytes(4), bytes(8))
    for name, label in ((b"Bag/2", 0), (b"Coat/2", 1), (b"Bag/Coat/2", 1)):
        assert folders.of_rows(RowBatch(b"Bag/1\0" + name, result)) == [0, label]


def test_pairs_of_up_to_two_thousand_labels_are_counted() -> None:
    """Those of more would take too much memory."""
    for labels, counted in ((2_000, 3), (2_001, 0)):
        pairs = LabelPairs(labels)
        pairs.add(1, 2, 3)
        assert pairs.rows(1, 2) == counted


def test_a_flagged_answer_is_never_accepted() -> None:
    assert from_confidence(CARD, 0.0).accepts(0, 0.0)
    assert not from_confidence(CARD, 0.0).accepts(0, 1.0, flagged=True)


def test_doubtful_is_what_the_next_lower_precision_with_thresholds_does_not_accept() -> None:
    all_points = with_points((0.95, (0.4, 0.5, 0.6)), (0.98, (0.8, None, 0.9)))
    assert doubtless(all_points).thresholds == (0.8, math.inf, 0.9)
    without = with_points((0.95, (0.4, 0.5, 0.6)), (0.98, (None, None, None)))
    assert doubtless(without).thresholds == (0.4, 0.5, 0.6)
    assert not any(doubtless(CARD).accepts(label, 1.0) for label in range(3))


def test_a_version_of_first_labels_without_thresholds_accepts_no_row_and_others_are_refused() -> (
    None
):
    nothing = with_points((0.95, (None, None, None)))
    some = with_points((0.95, (0.4, None, None)))
    files = {learned_lines.FILE: "0" * 64}
    of_labels = msgspec.structs.replace(nothing, files=files, source="")
    assert for_table(of_labels, 0.95).thresholds == (math.inf,) * 3
    learned = msgspec.structs.replace(some, files=files, source="")
    assert for_table(learned, 0.95).thresholds == (0.4, math.inf, math.inf)
    for other, precision in ((nothing, 0.95), (of_labels, 0.98)):
        with pytest.raises(UsageError):
            for_table(other, precision)
    with pytest.raises(UsageError, match="is sure of no image without a label; name more"):
        at_precision(of_labels, 0.95)


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
