"""The folder of a request for its trainer: attempts are counted, outcomes are whole."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shared.messages.requests import Outcome, Progress, Remove, Request
from tests.support.jobs import stored_requests
from worker.requests.workspace import Workspace

MAX_ATTEMPTS = 3
REQUEST = Request("tidy-up", Remove("shoes", keep=3), "tester@here", 1.0)
WELL = Outcome(ok=True, answer=msgspec.Raw(b'{"freed_bytes":7}'))


@pytest.fixture
def folder(tmp_path: Path) -> Workspace:
    return stored_requests.keep(tmp_path, REQUEST, b"a model")


def test_as_many_attempts_as_allowed_may_die_without_progress(folder: Workspace) -> None:
    assert [folder.enter() for _ in range(MAX_ATTEMPTS + 2)] == [True] * MAX_ATTEMPTS + [False] * 2


def test_attempts_that_get_further_each_time_are_not_limited(folder: Workspace) -> None:
    for epoch in range(1, 3 * MAX_ATTEMPTS):
        assert folder.enter()
        folder.note(Progress("training", epoch=epoch))
    for left in reversed(range(MAX_ATTEMPTS)):
        folder.note(Progress("training", epoch=1))  # no further than before
        assert folder.enter() == bool(left)


def test_an_attempt_of_a_trainer_that_shuts_down_does_not_count(folder: Workspace) -> None:
    for _ in range(3 * MAX_ATTEMPTS):
        assert folder.enter()
        folder.leave()
    assert folder.attempts == 0


@pytest.mark.parametrize("content", ["", "2", "two 0", "1 1 1"])
def test_a_count_that_cannot_be_read_starts_again(folder: Workspace, content: str) -> None:
    (folder.path / "attempts").write_text(content)
    assert folder.enter()
    assert folder.attempts == 1


def test_an_outcome_has_its_plots_and_replaces_the_work(folder: Workspace) -> None:
    folder.enter()
    (folder.work / "state.npz").write_bytes(b"weights")
    folder.finish(WELL, {"grid.png": b"pixels"})
    assert folder.outcome() is None, "the request has not ended"
    assert folder.answer()
    known = folder.outcome()
    assert known == msgspec.structs.replace(WELL, files=("grid.png",))
    assert folder.files(known) == {"grid.png": b"pixels"}
    assert (folder.input(), folder.work.exists()) == (None, False)


def test_an_attempt_at_a_cancelled_request_leaves_no_work(folder: Workspace) -> None:
    folder.enter()
    with folder.locked(0):
        assert folder.cancel()
        assert folder.work.exists(), "the process that works on it deletes it"
        folder.leave()
    assert (folder.work.exists(), folder.input()) == (False, None)
