"""The figures of a report are those of the rows, however these are cut into batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.report.survey import BINS, Survey
from producer.rows.acceptance import at_precision, doubtless
from shared.labels.class_folders import folder_of
from shared.registry import packaged
from tests.support.jobs.made_results import Answer, answers, batches

CARD = packaged.card()
FOLDERS = [folder_of(label) for label in CARD.labels]


def surveyed(rows: Sequence[Answer], size: int) -> Survey:
    survey = Survey(CARD)
    for batch in batches(rows, size):
        survey.add(batch)
    return survey


@given(
    st.integers(0, 1000), st.integers(0, 300), st.sampled_from([1, 7, 64]), st.sampled_from([1, 3])
)
def test_figures_are_those_of_the_rows(seed: int, count: int, size: int, k: int) -> None:
    rows = answers(seed, count, CARD.labels, k, FOLDERS)
    survey = surveyed(rows, size)
    good = [row for row in rows if not row.status]
    assert survey.rows == count
    assert survey.statuses == [sum(r.status == code for r in rows) for code in range(8)]
    assert survey.flags[1:] == [sum(r.flag == code for r in rows) for code in (1, 2)]
    assert list(survey.counts) == [sum(r.labels[0] == i for r in good) for i in range(10)]
    bins = Counter(min(int(r.confidences[0] * BINS), BINS - 1) for r in good)
    assert survey.bins == [bins[i] for i in range(BINS)]
    rule = doubtless(CARD)
    kept = [r for r in good if rule.accepts(r.labels[0], r.confidences[0], bool(r.flag))]
    assert sum(survey.doubtful) == len(good) - len(kept)
    assert sum(survey.confidence_sums) == pytest.approx(sum(r.confidences[0] for r in good))


@given(st.integers(0, 1000), st.integers(0, 300))
def test_folders_named_like_labels_are_compared(seed: int, count: int) -> None:
    rows = answers(seed, count, CARD.labels, 1, FOLDERS[:4])
    survey = surveyed(rows, 50)
    judged = [
        (FOLDERS.index(folder), row)
        for row in rows
        if not row.status and (folder := row.name.split(b"/")[1].decode()) != "other"
    ]
    pairs = Counter((truth, row.labels[0]) for truth, row in judged)
    assert {(t, p): survey.pairs.rows(t, p) for t in range(10) for p in range(10)} == {
        (t, p): pairs[t, p] for t in range(10) for p in range(10)
    }
    assert (survey.judged, survey.right) == (
        len(judged),
        sum(truth == row.labels[0] for truth, row in judged),
    )
    assert list(survey.judged_by_folder) == [sum(pairs[t, p] for p in range(10)) for t in range(10)]
    assert list(survey.judged_by_label) == [sum(pairs[t, p] for t in range(10)) for p in range(10)]
    assert list(survey.right_by_label) == [pairs[i, i] for i in range(10)]
    wrong = [row.confidences[0] for truth, row in judged if truth != row.labels[0]]
    assert sum(survey.wrong_bins) == len(wrong)
    for point in survey.points:
        rule = at_precision(CARD, point.precision)
        accepted = [
            (truth, row)
            for truth, row in judged
            if rule.accepts(row.labels[0], row.confidences[0], bool(row.flag))
        ]
        assert point.judged == len(accepted)
        assert point.right == sum(truth == row.labels[0] for truth, row in accepted)
