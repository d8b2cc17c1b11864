"""What is accepted at 95 %: as many images as the evidence of labelled ones allows, and none of the
kinds that no person has named."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from worker.heads.linear_head import Features, Labels
from worker.labelling import acceptance, kmeans
from worker.labelling.acceptance import LEAST_LABELLED, LEAST_OF_LABEL, Judged, chances, surest
from worker.labelling.fitted import Fitted, Shares, fit
from worker.labelling.session import NONE

KINDS, FAMILIES, GROUPS = 40, 10, 120


class Folder(NamedTuple):
    """Images of many kinds, frequent and rare ones, some of them alike."""

    rows: Features
    truth: Labels
    groups: kmeans.Groups

    def named(self, groups: int, seed: int = 0) -> Labels:
        """The labels after the nearest five images of some groups have been named."""
        labels = np.full(len(self.rows), NONE)
        for group in np.random.default_rng(seed).permutation(GROUPS)[:groups]:
            mine = np.flatnonzero(self.groups.of == group)
            nearest = mine[np.argsort(self.groups.distances[mine])][:5]
            labels[nearest] = self.truth[nearest]
        return labels


def drawn(seed: int, apart: float = 0.4) -> Folder:
    chance = np.random.default_rng(seed)
    families = 1.2 * chance.standard_normal((FAMILIES, 16))
    centres = families[np.arange(KINDS) % FAMILIES] + apart * chance.standard_normal((KINDS, 16))
    frequency = 1 / np.arange(1, KINDS + 1)
    truth = chance.choice(KINDS, 1500, p=frequency / frequency.sum())
    rows = (centres[truth] + 0.5 * chance.standard_normal((1500, 16))).astype(np.float32)
    return Folder(rows, truth, kmeans.kmeans(rows, GROUPS, 0))


@pytest.fixture(scope="module")
def folder() -> Folder:
    return drawn(0)


def said(named: npt.NDArray[np.bool_]) -> Judged:
    """Nothing but labels."""
    return Judged(named, np.ones(len(named), np.int64), np.zeros(len(named), bool))


def judged(folder: Folder, labels: Labels, named: npt.NDArray[np.bool_]) -> tuple[Shares, Fitted]:
    fitted = fit(folder.rows, labels, KINDS).blind(~named)
    return chances(folder.rows, labels, said(named), folder.groups.of, fitted), fitted


def accepted(folder: Folder, labels: Labels) -> tuple[Labels, Fitted]:
    """The images without a label that are accepted."""
    shares, fitted = judged(folder, labels, labels >= 0)
    free = np.flatnonzero(labels == NONE)
    return free[surest(shares[free], np.ones(len(free), np.int64))], fitted


@pytest.mark.parametrize("seed", range(4))
def test_of_accepted_images_95_percent_are_right_though_some_kinds_have_no_name(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptance, "MOST_NEW", 1.0)  # what is left to the evidence
    folder = drawn(seed)
    labels = folder.named(GROUPS // 2)
    found, fitted = accepted(folder, labels)
    right, free = fitted.guesses == folder.truth, labels == NONE
    assert (~np.isin(folder.truth[free], labels)).mean() > 0.02
    assert right[found].mean() >= 0.95
    assert len(found) > 0.05 * free.sum()
    # As many of the most confident ones are right less often.
    places = np.flatnonzero(free)
    confident = places[np.argsort(-fitted.confidences[places])][: len(found)]
    assert right[confident].mean() < right[found].mean()


def test_where_all_kinds_are_named_and_far_apart_most_images_are_accepted() -> None:
    folder = drawn(0, apart=3.0)
    labels = folder.named(GROUPS)
    found, fitted = accepted(folder, labels)
    assert len(found) > 0.8 * (labels == NONE).sum()
    assert (fitted.guesses == folder.truth)[found].mean() > 0.98


def test_nothing_is_accepted_with_few_images_that_a_person_has_labelled(folder: Folder) -> None:
    labels = folder.named(GROUPS)
    frequent = np.flatnonzero((labels >= 0) & (labels < 4))
    for count, is_seen in ((LEAST_LABELLED - 1, False), (LEAST_LABELLED, True)):
        named = np.zeros(len(labels), bool)
        named[frequent[:count]] = True
        few = np.where(named, labels, NONE)
        assert (judged(folder, few, named)[0].max() > 0) == is_seen
        assert (judged(folder, labels, named)[0].max() > 0) == is_seen  # the others are suggested


def test_nothing_is_accepted_while_many_labels_have_one_group(folder: Folder) -> None:
    """Another group would often have a label that no person has named."""
    labels = folder.named(GROUPS)
    frequent = np.flatnonzero((labels >= 0) & (labels < 4))
    alone = [np.flatnonzero(labels == kind)[:1] for kind in range(4, KINDS)]
    few = np.full(len(labels), NONE)
    for images, is_seen in ((frequent, True), (np.concatenate([frequent, *alone]), False)):
        few[images] = labels[images]
        assert (judged(folder, few, few >= 0)[0].max() > 0) == is_seen


def test_evidence_that_is_the_same_for_all_labelled_images_is_no_number_divided_by_zero() -> None:
    """Each kind is one point, and so is what no person has named."""
    truth = np.arange(600) % 3
    rows = np.eye(3, 8, dtype=np.float32)[truth] * 4
    rows[500:] += 1
    labels = np.where(np.arange(600) < 400, truth, NONE)
    fitted = fit(rows, labels, 3)
    groups = np.arange(600) % 60
    assert np.isfinite(chances(rows, labels, said(labels >= 0), groups, fitted)).all()


def test_no_image_has_a_label_that_few_labelled_images_have(folder: Folder) -> None:
    labels = folder.named(GROUPS)
    mine = np.flatnonzero(labels == 0)
    for count, is_seen in ((LEAST_OF_LABEL - 1, False), (LEAST_OF_LABEL, True)):
        few = labels.copy()
        few[mine[count:]] = NONE
        shares, fitted = judged(folder, few, few >= 0)
        of_label = (few == NONE) & (fitted.guesses == 0)
        assert of_label.any()
        assert (shares[of_label] > 0).any() == is_seen


def test_a_suggested_label_is_judged_by_heads_that_did_not_learn_it(folder: Folder) -> None:
    """Wrong suggestions are learned, and must not be accepted for that."""
    labels = folder.named(GROUPS)
    named = labels >= 0
    frequent = np.flatnonzero(~named & (folder.truth < 4))[:60]
    suggested = labels.copy()
    suggested[frequent] = (folder.truth[frequent] + 1) % 4
    shares, fitted = judged(folder, suggested, named)
    sure = shares[frequent] > 0.9
    assert (fitted.guesses[frequent] == folder.truth[frequent])[sure].mean() > 0.9


def test_images_of_a_stack_count_each() -> None:
    shares = np.array([0.99, 0.5, 0.98], np.float32)
    assert surest(shares, np.array([1, 1, 1])).tolist() == [0, 2]
    assert surest(shares, np.array([60, 1, 1])).tolist() == [0, 2, 1]
    assert surest(shares[:0], np.array([], np.int64)).tolist() == []


def test_images_that_are_all_of_one_fold_are_judged_by_those_of_the_others(folder: Folder) -> None:
    labels = folder.named(GROUPS)
    groups = acceptance.FOLDS * folder.groups.of
    fitted = fit(folder.rows, labels, KINDS)
    assert chances(folder.rows, labels, said(labels >= 0), groups, fitted).max() > 0.5


def test_denied_guesses_are_not_accepted_and_others_like_them_are_less_likely_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acceptance, "MOST_NEW", 1.0)  # what is left to the evidence
    before, after = list[float](), list[float]()
    for seed in range(4):
        folder = drawn(seed)
        labels = folder.named(GROUPS // 2)
        fitted = fit(folder.rows, labels, KINDS)
        wrong = (labels == NONE) & (fitted.guesses != folder.truth)
        seen = np.random.default_rng(seed).random(len(labels)) < 0.5
        none = np.zeros(len(labels), bool)
        for denied, chance_of_others in ((none, before), (wrong & seen, after)):
            some = said(labels >= 0)._replace(denied=denied)
            shares = chances(folder.rows, labels, some, folder.groups.of, fitted)
            assert not shares[denied].any()
            chance_of_others.append(float(shares[wrong & ~seen].mean()))
    assert np.mean(after) < 0.8 * np.mean(before)


def test_those_that_came_back_count_for_those_that_did_not(folder: Folder) -> None:
    """Of 40 images that were clicked away, 10 came back and were named, two of these by chance. Of
    the 30 others, 5 still have the guess that was excluded."""
    labels = folder.named(GROUPS)
    fitted = fit(folder.rows, labels, KINDS)
    named, free = np.flatnonzero(labels >= 0)[:10], np.flatnonzero(labels == NONE)[:30]
    other = (fitted.out_of_fold + 1) % KINDS
    excluded = {int(row): [int(other[row])] for row in named}
    excluded |= {int(row): [int(fitted.guesses[row])] for row in free[:5]}
    excluded |= {int(row): [int(fitted.guesses[row] + 1) % KINDS] for row in free[5:]}
    by_chance = np.zeros(len(labels), bool)
    by_chance[named[:2]] = True
    found = acceptance.judged(labels, excluded, by_chance, fitted)
    assert np.flatnonzero(found.denied).tolist() == free[:5].tolist()
    assert found.times[named].tolist() == [1, 1, *[round((8 + 25) / 8)] * 8]
    assert set(np.delete(found.times, named)) == {1}
