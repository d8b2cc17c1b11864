"""A report displays all rows of a small table, and a bounded, stated choice of a large one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.report.survey import Choice, Survey
from shared.labels.class_folders import folder_of
from shared.registry import packaged
from tests.support.jobs.made_results import Answer, answers, batches

FAILED_ROWS = 200
FLAG_ROWS = 100
LABEL_ROWS = 800
MOST_OF_LABEL = 40
MOST_OF_PAIR = 12
PAIR_ROWS = 300
CARD = packaged.card()
FOLDERS = [folder_of(label) for label in CARD.labels]


def chosen(rows: Sequence[Answer], size: int = 100) -> Choice:
    survey = Survey(CARD)
    for batch in batches(rows, size):
        survey.add(batch)
    choice = Choice(survey)
    for batch in batches(rows, size):
        choice.add(batch)
    return choice


@given(st.integers(0, 100), st.integers(0, 300), st.sampled_from([1, 64]))
def test_of_a_small_table_all_rows_are_chosen(seed: int, count: int, size: int) -> None:
    rows = answers(seed, count, CARD.labels, 3, FOLDERS)
    choice = chosen(rows, size)
    good = [number for number, row in enumerate(rows, 1) if not row.status]
    assert [row.number for row in choice.pictured] == good
    for row in choice.pictured:
        like = rows[row.number - 1]
        assert (row.name, row.labels) == (like.name, like.labels)
        assert row.confidences == like.confidences
        assert row.flag.code == like.flag
    failed = {row.number: row.status.code for some in choice.failed for row in some}
    assert failed == {n: row.status for n, row in enumerate(rows, 1) if row.status}


@pytest.fixture(scope="module")
def large() -> tuple[list[Answer], Choice]:
    rows = answers(1, 40_000, CARD.labels, 1, FOLDERS)
    return rows, chosen(rows, 1000)


def test_of_a_large_table_the_choice_is_bounded(large: tuple[list[Answer], Choice]) -> None:
    _, choice = large
    assert 300 < len(choice.pictured) <= LABEL_ROWS + PAIR_ROWS + FLAG_ROWS
    assert all(len(some) == FAILED_ROWS for some in choice.failed[1:])
    assert all(len(some.items) <= MOST_OF_LABEL for some in choice.drawn)
    assert all(len(some.items) <= MOST_OF_PAIR for some in choice.pairs.values())
