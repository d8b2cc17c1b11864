"""The figures of an evaluation match their definitions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.table.answer_counter import per_class
from worker.datasets.examples import Labels
from worker.evaluation.metrics import (
    Probabilities,
    confusion,
    most_confident_mistakes,
    reliability,
    score,
)

evaluations = st.tuples(st.integers(0, 2**32 - 1), st.integers(2, 7), st.integers(0, 60))


def draw(given: tuple[int, int, int]) -> tuple[Probabilities, Labels, int]:
    """Probabilities [n, classes] and labels [n] of a random evaluation."""
    seed, classes, count = given
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(classes, 0.3), count), rng.integers(0, classes, count), classes


@given(evaluations)
def test_the_confusion_counts_equal_those_of_a_loop(drawn: tuple[int, int, int]) -> None:
    probabilities, labels, classes = draw(drawn)
    loop = Counter(zip(labels.tolist(), probabilities.argmax(1).tolist(), strict=True))
    found = confusion(probabilities, labels, classes)
    assert found.shape == (classes, classes)
    assert all(found[i, j] == loop[i, j] for i in range(classes) for j in range(classes))


@given(evaluations)
def test_the_figures_of_a_class_are_computed_from_its_images(drawn: tuple[int, int, int]) -> None:
    probabilities, labels, classes = draw(drawn)
    predicted = probabilities.argmax(1)
    names = [f"class {i}" for i in range(classes)]
    result = score(probabilities, labels, names)
    for i, figures in enumerate(per_class(result.labels, result.confusion)):
        hits = int(((predicted == i) & (labels == i)).sum())
        assert (figures.label, figures.count) == (names[i], (labels == i).sum())
        assert figures.precision == pytest.approx(hits / max(1, (predicted == i).sum()))
        assert figures.recall == pytest.approx(hits / max(1, (labels == i).sum()))
        both = figures.precision + figures.recall
        expected = 2 * figures.precision * figures.recall / both if both else 0
        assert figures.f1 == pytest.approx(expected)


@given(evaluations)
def test_the_bins_contain_every_prediction_with_its_confidence(drawn: tuple[int, int, int]) -> None:
    probabilities, labels, _ = draw(drawn)
    bins = reliability(probabilities, labels)
    assert bins.counts.sum() == len(labels)
    assert (bins.counts * bins.confidence).sum() == pytest.approx(probabilities.max(1).sum())
    right = (probabilities.argmax(1) == labels).sum()
    assert (bins.counts * bins.accuracy).sum() == pytest.approx(right)
    for i, (count, confidence) in enumerate(zip(bins.counts, bins.confidence, strict=True)):
        assert not count or i / 15 - 1e-9 <= confidence <= (i + 1) / 15 + 1e-9


@given(st.integers(0, 2**32 - 1))
def test_mistakes_equal_those_of_a_loop_with_the_most_confident_first(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predictions = rng.integers(0, 3, 30), rng.dirichlet([1, 1, 1], 30).round(1)
    wrong = [i for i in range(30) if predictions[i].argmax() != truth[i]]
    wrong.sort(key=lambda i: -predictions[i].max())
    assert most_confident_mistakes(predictions, truth).tolist() == wrong
