"""The process behind a page answers each order once, and no page waits long for a head."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from shared.errors import BadMessage
from shared.messages.labelling import (
    NO_LABEL,
    Count,
    Counts,
    Decide,
    FindGroups,
    FindSimilar,
    Groups,
    NextPage,
    Noted,
    Order,
    Page,
    Reply,
    Similar,
    SimilarImages,
    Start,
    Together,
)
from shared.messages.replies import FolderFeatures, decode_features, encode_features
from worker.labelling import __main__ as process
from worker.labelling.session import Session

IMAGES, STACKS = 41, 40


def features() -> FolderFeatures:
    """The last image is a copy of the first."""
    rows = np.random.default_rng(0).standard_normal((IMAGES, 3))
    rows[-1] = rows[0]
    stacks = [*range(STACKS), 0]
    return FolderFeatures(
        b"/p", [b"/p/%d" % i for i in range(IMAGES)], bytes(32 * IMAGES), 3,
        rows.astype("<f2").tobytes(), np.array(stacks, "<u4").tobytes(), [], b"",
    )  # fmt: skip


def answers(*orders: Order) -> Sequence[Reply]:
    return list(process.replies(orders))


def test_each_order_has_one_reply() -> None:
    some = list(range(20))
    start, first, decided, nothing, counts, page, alike, together = answers(
        Start(encode_features(features())),
        NextPage(),
        Decide(some, [i % 2 for i in some], [i > 9 for i in some]),
        Decide([], [], []),
        Count(settled=True),
        NextPage(some, settled=True),
        Similar(0),
        Together(0),
    )
    assert start == decided == nothing == Noted()
    assert isinstance(first, Page)
    assert first.why == "group"
    assert isinstance(counts, Counts)
    assert counts.named == len(some) + 1
    assert counts.drawn == 10
    assert isinstance(page, Page)
    assert page.stacks
    assert min(page.stacks) >= 20
    assert isinstance(alike, Page)
    assert alike.stacks[0] == 0
    assert alike.why == "similar"
    assert isinstance(together, Page)
    assert (together.why, sorted(together.stacks)) == ("together", some[::2])


def test_groups_have_each_stack_once_the_one_with_most_images_first() -> None:
    data = encode_features(features())
    suiting, two, more = answers(FindGroups(data), FindGroups(data, 2), FindGroups(data, 999))
    for found, most in ((suiting, STACKS // 4), (two, 2), (more, STACKS)):
        assert isinstance(found, Groups)
        assert sorted(stack for group in found.stacks for stack in group) == list(range(STACKS))
        assert 1 < len(found.stacks) <= most
        images = [sum(2 if stack == 0 else 1 for stack in group) for group in found.stacks]
        assert images == sorted(images, reverse=True)


def test_the_images_most_like_one_come_with_their_likeness_copies_first() -> None:
    (found,) = answers(FindSimilar(encode_features(features()), IMAGES - 1, IMAGES))
    assert isinstance(found, SimilarImages)
    assert set(found.images[:2]) == {0, IMAGES - 1}
    assert found.likeness[:2] == [1, 1]
    assert found.likeness == sorted(found.likeness, reverse=True)
    assert 0 <= found.likeness[-1] < 0.1
    assert 0.2 < sum(found.likeness) / IMAGES < 0.8


def test_a_page_does_not_wait_for_a_head_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = threading.Event()
    learn = Session.learn

    def slow(session: Session) -> None:
        finish.wait()
        learn(session)

    monkeypatch.setattr(Session, "learn", slow)
    learner = process.Learner(process.session_of(features(), 0))
    learner.reply(Decide([0, 1], [0, 1], [False, False]))
    page = learner.reply(NextPage())  # would wait for good
    with monkeypatch.context() as patience:
        patience.setattr(process, "PATIENCE_S", 1e6)
        assert learner.reply(Count())  # a reply to a decision waits once, for its page
    assert isinstance(page, Page)
    assert page.label == NO_LABEL
    finish.set()
    page = learner.reply(NextPage(settled=True))
    assert isinstance(page, Page)
    assert page.label >= 0


def test_incomplete_features_are_refused() -> None:
    whole = features()
    for field in ("digests", "rows", "stacks"):
        fields = {name: getattr(whole, name) for name in whole.__struct_fields__}
        damaged = FolderFeatures(**fields | {field: fields[field][:-1]})
        with pytest.raises(BadMessage, match="not complete"):
            decode_features(encode_features(damaged))
    with pytest.raises(BadMessage):
        decode_features(b"nonsense")


def test_only_a_settled_reply_waits_for_a_head_and_a_page_for_what_is_left_of_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learner = process.Learner(process.session_of(features(), 0))
    waits = list[float | None]()
    monkeypatch.setattr(learner, "_wait", waits.append)
    for settled in (False, True):
        learner.reply(NextPage(settled=settled))
        learner.reply(Count(settled=settled))
    for spent_s in (process.PATIENCE_S / 4, 9.0):  # by a slow disk
        learner.reply(NextPage(spent_s=spent_s))
    rest = pytest.approx(process.PATIENCE_S * 3 / 4)
    assert waits == [process.PATIENCE_S, 0, None, None, rest, 0]
