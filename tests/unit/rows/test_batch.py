"""The rows of a batch, and what they are displayed as."""

from __future__ import annotations

import struct
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.journal.records import Record
from producer.rows.acceptance import Acceptance
from producer.rows.columns import COLUMNS, GUESS, SOURCE, table_columns
from producer.rows.row_batch import Decision, RowBatch, Rules
from shared.image_status import BY_CODE, FLAGS
from shared.messages.batch import BatchResult, encode_result
from shared.messages.model_card import Card
from tests.unit.formats.test_text_format import CsvText, Given, card
from tests.unit.output.test_csv_cells import names

paths = names.filter(lambda name: name and b"\0" not in name)
#: Probabilities, and what a damaged model may send.
values = st.floats(0, 1, width=32) | st.floats(width=32)


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
    given_ = case.rules.given_labels.of(batch) if case.rules.given_labels else {}
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


#: 0.03125 and its multiples are exact as float32, and half a unit above a decimal.
HALVES = [0.03125, 0.3125, 0.96875]
OTHERS = [0.0, 1.0, -0.0, -0.25, -1e-5, 1.5, 2.0, 3e9, float("inf"), float("nan")]


@pytest.mark.parametrize("number", [*HALVES, *OTHERS])
def test_a_number_is_written_as_python_does(number: float) -> None:
    result = BatchResult(1, b"\0", b"\0\0", struct.pack("<f", number))
    columns = table_columns(card(), Rules(), chosen=("confidence",))
    (single,) = struct.unpack("<f", result.probabilities)
    assert CsvText(columns).lines(RowBatch(b"a.png", result)) == f"a.png,{single:.4f}\n"
