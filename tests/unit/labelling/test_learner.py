"""The process behind the page gets one order at a time, and what it lacks is one line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest

from producer.people.learner import Learner, StackLabel
from shared.errors import SetupError
from shared.messages.request_files import FolderFeatures, encode_features


@pytest.mark.parametrize(
    "use",
    [
        lambda one: one.decide({}),
        lambda one: one.next([], False, 0.0),
        lambda one: one.similar(0),
        lambda one: one.together(0),
        lambda one: one.counts(False),
        lambda one: one.suggest({}),
        lambda one: one.close(),
    ],
)
def test_the_process_gets_one_order_at_a_time(
    monkeypatch: pytest.MonkeyPatch, use: Callable[[Learner], object]
) -> None:
    learner, locked = Learner(b""), list[bool]()
    for owner, name in ((learner, "_ask"), (learner._helper, "close")):
        monkeypatch.setattr(owner, name, lambda *_: locked.append(learner._lock.locked()))
    use(learner)
    assert locked == [True]
    assert not learner._lock.locked()


def test_a_process_whose_head_cannot_be_fitted_ends_and_is_reported() -> None:
    """In 3 GiB there is no head of a hundred million labels: its client must not wait for one."""
    rows = np.random.default_rng(0).standard_normal((9, 3)).astype("<f2")
    features = FolderFeatures(
        b"/p", [b"/p/%d" % i for i in range(9)], bytes(9 * 32), 3, rows.tobytes(),
        np.arange(9, dtype="<u4").tobytes(), [], b"",
    )  # fmt: skip
    with closing(Learner(encode_features(features))) as learner:
        learner.decide({0: StackLabel(0, False), 1: StackLabel(10**8, False)})
        with pytest.raises(SetupError, match=r"this shows why: .* -m worker.labelling"):
            learner.counts(settled=True)
