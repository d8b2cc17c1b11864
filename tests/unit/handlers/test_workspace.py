"""The state of a request in the store: the latest trainer owns it, and the first outcome counts."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadMessage, Unavailable
from shared.ledger import request_store
from shared.ledger.request_states import Grant, RequestVerdict
from shared.messages.requests import Outcome, Prune, Request
from worker.requests import workspace
from worker.requests.workspace import Workspace, finished_before, leftovers

REQUEST = Request("tidy-up", Prune("shoes", keep=3), "tester@here", 1.0)
WELL = Outcome(ok=True, answer=msgspec.Raw(b'{"freed_bytes":7}'))


def grant(fence: int, input: bytes | None = None) -> Grant:
    return Grant(RequestVerdict.GRANTED, fence, REQUEST, input, attempts=1)


@pytest.fixture
def folder(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, REQUEST.id)


def test_a_taken_request_is_in_the_store(folder: Workspace, tmp_path: Path) -> None:
    assert (folder.fence, folder.request(), list(tmp_path.iterdir())) == (0, None, [])
    assert folder.enter(grant(4, b"a model"))
    assert folder.request() == REQUEST
    assert folder.input() == b"a model"
    assert folder.work.is_dir()
    assert folder.holds(4)
    assert request_store.unanswered(tmp_path) == [REQUEST]


@given(fences=st.lists(st.integers(1, 6), min_size=1))
def test_only_a_higher_fence_takes_over(
    fences: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = Workspace(tmp_path_factory.mktemp("store"), REQUEST.id)
    highest = 0
    for fence in fences:
        assert folder.enter(grant(fence)) == (fence > highest)
        highest = max(highest, fence)
        assert [n for n in range(7) if folder.holds(n)] == [highest]


def test_of_trainers_with_the_same_fence_one_takes_over(folder: Workspace) -> None:
    """Redis may lose its data and assign the same fence twice."""
    entered: list[bool] = []
    threads = [
        threading.Thread(target=lambda: entered.append(folder.enter(grant(1)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entered) == [False] * 7 + [True]


def test_an_outcome_is_stored_with_its_plots_and_without_the_work(
    folder: Workspace, tmp_path: Path
) -> None:
    folder.enter(grant(1, b"a model"))
    (folder.work / "state.npz").write_bytes(b"weights")
    assert folder.finish(1, WELL, {"grid.png": b"pixels"})
    folder.tidy()
    known = folder.outcome()
    assert known == msgspec.structs.replace(WELL, files=("grid.png",))
    assert folder.files(known) == {"grid.png": b"pixels"}
    assert (folder.input(), folder.work.exists()) == (None, False)
    assert folder.request() == REQUEST
    assert request_store.unanswered(tmp_path) == []


def test_the_first_outcome_counts_and_only_its_trainer_may_store_it(folder: Workspace) -> None:
    folder.enter(grant(1))
    folder.enter(grant(2))
    assert not folder.finish(1, Outcome(ok=False, error="late"), {})
    assert folder.outcome() is None
    assert folder.finish(2, WELL, {})
    assert not folder.finish(2, Outcome(ok=False, error="second thoughts"), {})
    assert folder.outcome() == WELL


def test_a_late_outcome_leaves_the_plots_of_the_first(folder: Workspace, tmp_path: Path) -> None:
    folder.enter(grant(1))
    folder.enter(grant(2))
    assert folder.finish(2, WELL, {"grid.png": b"pixels"})
    for fence in (1, 2):
        assert not folder.finish(fence, WELL, {"grid.png": b"late", "other.png": b"late"})
    files = tmp_path / ".requests" / REQUEST.id / "files"
    assert {path.name: path.read_bytes() for path in files.iterdir()} == {"grid.png": b"pixels"}


def test_a_lock_of_a_suspended_process_is_waited_for_only_briefly(
    folder: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_store, "LOCK_WAIT_S", 0.05)
    folder.enter(grant(1))
    with open(tmp_path / ".requests" / ".lock", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="suspended"):
            folder.enter(grant(2))
    assert folder.enter(grant(2))


def test_an_old_outcome_is_found(folder: Workspace, tmp_path: Path) -> None:
    folder.enter(grant(1))
    folder.finish(1, WELL, {})
    path = tmp_path / ".requests" / REQUEST.id
    os.utime(path / "outcome.json", (1_000, 1_000))
    assert list(finished_before(tmp_path, 999)) == []
    (old,) = finished_before(tmp_path, 1_001)
    old.forget()
    assert not path.exists()


@pytest.mark.parametrize("name", ["..", "../x", "", "a/b", ".hidden"])
def test_an_id_is_never_a_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadMessage):
        Workspace(tmp_path, name)


def test_a_stored_request_is_not_stored_again(folder: Workspace) -> None:
    folder.store(REQUEST, b"first")
    folder.store(msgspec.structs.replace(REQUEST, created=2.0), b"second")
    assert folder.request() == REQUEST
    assert folder.input() == b"first"


def test_an_outcome_that_the_disk_refuses_takes_the_place_of_the_work(
    folder: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later attempt's work stays."""
    folder.enter(grant(1))
    write = request_store.write_part

    def full(path: Path, data: bytes) -> Path:
        if folder.work.is_dir():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(workspace, "write_part", full)
    folder.enter(grant(2))
    assert not folder.finish(1, WELL, {})
    assert folder.work.is_dir()
    assert folder.finish(2, WELL, {})
    assert folder.outcome() == WELL


@pytest.mark.parametrize("use", ["enter", "finish", "tidy"])
def test_the_store_is_locked_while_the_owner_of_a_request_is_compared(
    folder: Workspace, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    folder.enter(grant(1))
    monkeypatch.setattr(request_store, "LOCK_WAIT_S", 0.05)
    if use == "tidy":  # after a first attempt to write, without room

        def full(path: Path, data: bytes) -> Path:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(workspace, "write_part", full)
    with request_store.locked(folder.work.parents[2]), pytest.raises(Unavailable):
        folder.enter(grant(2)) if use == "enter" else folder.finish(1, WELL, {})
    assert folder.holds(1)
    assert folder.outcome() is None
    assert folder.work.is_dir()


def test_only_a_folder_without_request_and_outcome_is_left_over(
    folder: Workspace, tmp_path: Path
) -> None:
    folder.enter(grant(1))
    assert list(leftovers(tmp_path)) == []
    folder.finish(1, WELL, {})
    (tmp_path / ".requests" / REQUEST.id / "request.json").unlink()
    assert list(leftovers(tmp_path)) == []
    (tmp_path / ".requests" / REQUEST.id / "outcome.json").unlink()
    assert [found.id for found in leftovers(tmp_path)] == [REQUEST.id]
