"""What a page shows next: groups of alike images until they have names, then images that seem to
have one label, now and then some by chance; each stack until it is decided, the same for the same
decisions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messages.labelling import NextPage, Page
from worker.heads.linear_head import Features, Labels
from worker.labelling import kmeans, session
from worker.labelling.fitted import fit
from worker.labelling.session import NONE, Session

LEFT_OUT = -2
KINDS = 4
#: Of 900 images: those of groups, and two dozen after them.
PAGES = 100


def drawn(images: int, kinds: int = KINDS, seed: int = 0) -> tuple[Features, Labels]:
    """Rows of several kinds, far enough from each other that a head can tell them apart."""
    chance = np.random.default_rng(seed)
    truth = chance.integers(0, kinds, images)
    centres = chance.standard_normal((kinds, 8)) * 2
    rows = centres[truth] + chance.standard_normal((images, 8)) * 0.7
    return rows.astype(np.float32), truth


def started(rows: Features) -> Session:
    return Session(rows, np.ones(len(rows), np.int64))


def decide(to: Session, page: Page, labels: list[int]) -> None:
    chance = np.full(len(labels), page.why == "chance")
    to.decide(np.array(page.stacks), np.array(labels), chance)
    to.learn()


def labelled(to: Session, truth: Labels, pages: int) -> list[Page]:
    """The pages that a person sees who names everything right."""
    seen: list[Page] = []
    while len(seen) < pages and (page := to.next(NextPage())).why != "end":
        seen.append(page)
        decide(to, page, truth[page.stacks].tolist())
    return seen


def test_pages_begin_with_groups_and_go_on_with_labels_and_chance() -> None:
    rows, truth = drawn(900)
    pages = labelled(started(rows), truth, PAGES)
    whys = "".join(page.why[0] for page in pages)  # groups, labels, chance
    begin, labels = re.fullmatch("([gc]+)(l[lc]+)", whys).groups()  # type: ignore[union-attr]
    assert len(begin) >= 60
    assert "l" in labels
    assert "c" in labels
    assert all(0 < len(page.stacks) <= 5 for page in pages if page.why == "group")
    of_label = [page for page in pages if page.why == "label"]
    assert all(set(page.guesses) == {page.label} for page in of_label)
    assert all(len(page.stacks) <= 24 for page in of_label)


def test_of_120_decisions_at_least_26_are_about_images_that_chance_drew() -> None:
    """A decision is one for a page, and one for each image that is named alone."""
    rows, truth = drawn(2000, kinds=12)
    run, decisions = started(rows), 0
    while decisions < 120:
        page = run.next(NextPage())
        labels = truth[page.stacks]
        given = page.guesses if page.why == "chance" else [np.bincount(labels).argmax()]
        decisions += 1 + int((labels != given).sum())
        decide(run, page, labels.tolist())
    run.judge()
    assert run.counts().drawn >= 26
    assert run.counts().share is not None


def excluded(run: Session, stacks: list[int], label: int, *, by_chance: bool = False) -> None:
    """Say that these stacks do not have a label."""
    flags = np.full(len(stacks), by_chance)
    run.decide(np.array(stacks), np.full(len(stacks), NONE), flags, [[label]] * len(stacks))
    run.learn()


def test_images_that_were_clicked_away_come_back_to_be_named() -> None:
    rows, truth = drawn(900)
    run = started(rows)
    labelled(run, truth, 30)
    away = [stack for stack in range(900) if run._decided[stack] == NONE][:40]
    guesses = run.learned[1].guesses  # type: ignore[union-attr]
    for stack in away:
        excluded(run, [stack], int(guesses[stack]))
    pages = [run.next(NextPage()) for _ in range(30)]
    naming = [page for page in pages if page.why == "naming"]
    assert 3 <= len(naming) <= 8  # three pages of others lie between
    for page in naming:
        assert 0 < len(page.stacks) <= 6
        assert set(page.stacks) <= set(away)
        for stack, proposals in zip(page.stacks, page.proposals, strict=True):
            assert 0 < len(proposals) <= 3
            assert guesses[stack] not in proposals
    others = [page for page in pages if page.why in ("group", "label")]
    assert not {stack for page in others for stack in page.stacks} & set(away)


def test_one_that_chance_drew_comes_back_on_the_next_page_until_it_is_decided() -> None:
    rows, truth = drawn(900)
    run = started(rows)
    labelled(run, truth, 30)
    *some, other = [stack for stack in range(900) if run._decided[stack] == NONE][:3]
    excluded(run, [other], 0)
    assert run.next(NextPage()).stacks == [other]  # so it is not the turn of such a page
    excluded(run, some, 0, by_chance=True)
    drawn_before = run.counts().drawn
    page = run.next(NextPage())
    assert (page.why, sorted(page.stacks)) == ("naming", some)
    run.decide(np.array(some), np.array([1, LEFT_OUT]), np.array([True, True]), [[0], [0]])
    run.learn()
    assert run.next(NextPage()).why != "naming"
    assert run.counts().drawn == drawn_before + 2


def test_drawn_images_that_are_left_out_are_wrong_and_unknown_ones_tell_nothing() -> None:
    rows, truth = drawn(2000)
    run = started(rows)
    labelled(run, truth, PAGES)
    run.judge()
    before = run.counts()
    free = np.flatnonzero(run._decided == NONE)[:40]
    run.decide(free[:20], np.full(20, LEFT_OUT), np.full(20, True))
    run.decide(free[20:], np.full(20, LEFT_OUT - 1), np.full(20, True))
    run.learn()
    run.judge()
    assert run.counts().drawn == before.drawn + 20
    expected = before.share * before.drawn / (before.drawn + 20)  # type: ignore[operator]
    assert run.counts().share == pytest.approx(expected, abs=0.05)


def test_where_all_that_is_left_was_clicked_away_it_is_named_also_without_a_head() -> None:
    run = started(drawn(3)[0])
    run.decide(np.array([0]), np.array([0]), np.array([False]))
    excluded(run, [1, 2], 0)
    for _ in range(2):
        page = run.next(NextPage())
        assert (page.why, sorted(page.stacks), page.proposals) == ("naming", [1, 2], [])
    assert not run.denied.any()


def test_a_denied_guess_is_never_sure_and_another_one_may_be() -> None:
    rows, truth = drawn(900)
    run = started(rows)
    labelled(run, truth, 60)
    run.judge()
    sure = run.surest.tolist()
    guesses = run.learned[1].guesses  # type: ignore[union-attr]
    denied, kept = sure[:3], sure[3:6]
    for stack in denied:
        excluded(run, [stack], int(guesses[stack]))
    for stack in kept:
        excluded(run, [stack], (int(guesses[stack]) + 1) % KINDS)
    run.judge()
    assert not set(run.surest.tolist()) & set(denied)
    assert run.denied[denied].all()
    assert not run.denied[kept].any()
    run.decide(np.array(denied), np.full(3, NONE), np.zeros(3, bool))  # undo
    run.learn()
    assert not run.denied.any()


@pytest.mark.parametrize("images", [1, 2, 4, 30, 200])
def test_every_stack_is_shown_until_it_is_decided_and_once(images: int) -> None:
    rows, truth = drawn(images)
    run = started(rows)
    shown = Counter(stack for page in labelled(run, truth, 999) for stack in page.stacks)
    assert shown == dict.fromkeys(range(images), 1)
    assert run.counts().named == images


@pytest.mark.parametrize(
    "label_of",
    [lambda stack: 0, lambda stack: LEFT_OUT, lambda stack: stack, lambda stack: stack % 2],
    ids=["one label", "all left out", "a label for each", "labels that mean nothing"],
)
def test_any_decisions_come_to_an_end(label_of: Callable[[int], int]) -> None:
    rows = np.ones((60, 4), np.float32)  # all alike
    run = started(rows)
    while (page := run.next(NextPage())).why != "end":
        assert page.stacks
        decide(run, page, [label_of(stack) for stack in page.stacks])
    counts = run.counts()
    assert counts.named + counts.without == counts.images == 60


def test_the_same_decisions_have_the_same_pages() -> None:
    rows, truth = drawn(300)
    assert labelled(started(rows), truth, 40) == labelled(started(rows.copy()), truth, 40)


@given(st.sets(st.integers(0, 39)), st.sets(st.integers(0, 39)))
def test_what_is_decided_or_on_another_page_is_not_shown(done: set[int], other: set[int]) -> None:
    rows, truth = drawn(40)
    run = started(rows)
    some = np.array(sorted(done), np.int64)
    run.decide(some, truth[some], np.zeros(len(some), bool))
    run.learn()
    page = run.next(NextPage(without=sorted(other)))
    assert not set(page.stacks) & (done | other)
    assert (page.why == "end") == (done | other == set(range(40)))


def test_a_decision_that_is_taken_back_makes_its_stack_free() -> None:
    rows, truth = drawn(40)
    run = started(rows)
    labelled(run, truth, 999)
    run.decide(np.array([7]), np.array([NONE]), np.array([False]))
    run.learn()
    assert run.next(NextPage()).stacks == [7]
    assert run.counts().named == 39


def test_what_is_right_of_the_others_is_judged_by_heads_that_did_not_learn_from_the_drawn() -> None:
    rows, truth = drawn(2000)
    run = started(rows)
    pages = labelled(run, truth, PAGES)
    run.judge()
    counts = run.counts()
    assert counts.drawn == sum(len(page.stacks) for page in pages if page.why == "chance")
    # Labels without meaning cannot be guessed, though a head has learned them.
    chance = np.random.default_rng(3).integers(0, KINDS, 2000)
    other = started(rows)
    labelled(other, chance, 60)
    other.judge()
    assert other.counts().share < 0.6 < counts.share  # type: ignore[operator]
    assert 0 <= counts.low < counts.high <= 1  # type: ignore[operator]


def test_the_head_is_sure_of_images_without_a_decision_while_groups_come_first() -> None:
    rows, truth = drawn(900)
    run = started(rows)
    pages = labelled(run, truth, 60)
    run.judge()
    assert "label" not in {page.why for page in pages}
    guesses = run.learned[1].guesses  # type: ignore[union-attr]
    assert len(run.surest) == run.counts().sure > 100
    assert (run._decided[run.surest] == NONE).all()
    assert (guesses == truth)[run.surest].mean() > 0.95
    undone = np.flatnonzero(run._decided != NONE)
    run.decide(undone, np.full(len(undone), NONE), np.zeros(len(undone), bool))
    run.learn()
    run.judge()
    assert len(run.surest) == 0


def test_similar_images_are_ordered_by_distance_and_the_image_itself_is_first() -> None:
    rows, _ = drawn(100)
    rows[5] = rows[9]
    page = started(rows).similar(9)
    assert page.stacks[:2] == [9, 5]
    apart = np.linalg.norm(rows[page.stacks] - rows[9], axis=1)
    assert (np.diff(apart) >= 0).all()
    assert len(page.stacks) == session.ALIKE + 1


def test_of_a_label_those_are_shown_first_that_are_none_of_it() -> None:
    rows, truth = drawn(200)
    wrong = np.flatnonzero(truth != 0)[:5]
    labels = truth.copy()
    labels[wrong] = 0
    labels[7] = LEFT_OUT
    run = started(rows)
    run.decide(np.arange(200), labels, np.zeros(200, bool))
    for is_fitted in (False, True):
        page = run.together(0)
        assert sorted(page.stacks) == np.flatnonzero(labels == 0).tolist()
        assert len(set(page.stacks[:10]) & set(wrong.tolist())) >= (5 if is_fitted else 3)
        run.learn()
    assert set(page.guesses[:5]) <= {1, 2, 3}  # by heads that did not learn from them
    assert run.together(LEFT_OUT).stacks == [7]
    assert run.together(KINDS).stacks == []


def test_groups_are_those_of_the_kinds() -> None:
    rows, truth = drawn(400)
    found = kmeans.kmeans(rows, KINDS, 1)
    right = sum(np.bincount(truth[found.of == group]).max() for group in np.unique(found.of))
    assert right > 380
    assert (kmeans.kmeans(rows.copy(), KINDS, 1).of == found.of).all()


def test_a_large_folder_is_grouped_by_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, means = list[int](), kmeans._means

    def noted(some: Features, of: Labels) -> Features:
        seen.append(len(some))
        return means(some, of)

    monkeypatch.setattr(kmeans, "SAMPLE", 100)
    monkeypatch.setattr(kmeans, "_means", noted)
    rows, truth = drawn(2000)
    found = kmeans.kmeans(rows, KINDS, 0)
    assert len(found.of) == 2000
    assert max(seen) == 100
    right = sum(np.bincount(truth[found.of == group]).max() for group in np.unique(found.of))
    assert right > 1800


def test_a_head_learns_from_labelled_images_that_are_all_of_one_fold() -> None:
    rows, truth = drawn(200)
    labels = np.full(200, NONE)
    labels[::10] = truth[::10]
    found = fit(rows, labels, KINDS)
    assert (found.guesses == truth).mean() > 0.8


def test_a_head_of_one_label_answers_for_no_image() -> None:
    rows, truth = drawn(40, kinds=2)
    labels = np.where(np.arange(40) == np.flatnonzero(truth == 1)[0], 1, 0)
    fitted = fit(rows, labels, 2)
    assert fitted.unlearned(rows, labels, np.flatnonzero(labels == 1)).guesses.tolist() == [-1]


@pytest.mark.parametrize("known", [2, 9, 10, 11, 40])
def test_a_head_learns_from_a_few_images(known: int) -> None:
    rows, truth = drawn(200)
    labels = np.full(200, NONE)
    labels[:known] = truth[:known]
    labels[0], labels[1] = 0, KINDS - 1
    found = fit(rows, labels, KINDS)
    assert ((found.confidences > 0) & (found.confidences <= 1)).all()
    assert (found.out_of_fold[known:] == NONE).all()
    assert ((found.expected > 0) == (found.out_of_fold >= 0)).all()
    assert (found.out_of_fold[:known] >= 0).all() == (known >= 10)
