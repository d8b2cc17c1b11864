"""The requests of a store: stored once, ended once, and worked on by one process at a time."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from shared.errors import BadMessage, Unavailable
from shared.ledger import request_store
from shared.ledger.request_store import RequestFolder, RequestState, open_requests
from shared.messages.requests import Outcome, Promote, Request, Rollback
from tests.support.jobs import stored_requests
from tests.support.processes.fleet import wait_for
from worker.requests.workspace import Workspace

REQUEST = Request("nightly", Promote("shoes@2"), "ann", 1.0)
OTHER = msgspec.structs.replace(REQUEST, work=Rollback("shoes"))
WELL = Outcome(ok=True, answer=msgspec.Raw(b"7"))


@pytest.fixture
def folder(tmp_path: Path) -> RequestFolder:
    return RequestFolder(tmp_path / "store", REQUEST.id)


def test_the_end_of_a_request_survives_a_power_failure(
    folder: RequestFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.submit(REQUEST)
    synced = set[int]()
    monkeypatch.setattr(os, "fsync", lambda file: synced.add(os.fstat(file).st_ino))
    assert folder.cancel()
    assert folder.path.stat().st_ino in synced


def work_on(store: Path) -> None:
    """Hold the lock of the request for longer than any test."""
    with RequestFolder(store, REQUEST.id).locked(0) as is_mine:
        assert is_mine
        multiprocessing.Event().wait(600)


def test_the_lock_of_a_process_lasts_as_long_as_the_process(folder: RequestFolder) -> None:
    folder.submit(REQUEST)
    worker = multiprocessing.get_context("fork").Process(
        target=work_on, args=(folder.path.parents[1],)
    )
    worker.start()
    try:
        wait_for("the lock", lambda: folder.state is RequestState.RUNNING)
        with folder.locked(0.05) as is_free:
            assert not is_free
        assert not folder.submit(REQUEST), "a request that runs is the same request"
    finally:
        worker.kill()
        worker.join()
    assert folder.state is RequestState.WAITING
    with folder.locked(0) as is_free:
        assert is_free


def test_a_submission_beside_a_suspended_one_is_refused(
    folder: RequestFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_store, "LOCK_WAIT_S", 0.05)
    folder.path.mkdir(parents=True)
    with folder.locked(0), pytest.raises(Unavailable, match="suspended process"):
        folder.submit(REQUEST)
    assert folder.submit(REQUEST)


def test_the_lock_of_a_folder_that_was_deleted_meanwhile_is_none(folder: RequestFolder) -> None:
    folder.submit(REQUEST)
    assert folder.cancel()
    with folder.locked(0):
        folder.forget()
        assert folder.path.exists(), "a process uses it"
    folder.forget()
    assert not folder.path.exists()
    assert folder.submit(REQUEST)
    with ThreadPoolExecutor(1) as threads:
        with folder.locked(0):
            waiting = threads.submit(lambda: folder.locked(10).__enter__())
            wait_for("the other", lambda: locks_opened_of(folder) == 2)
            shutil.rmtree(folder.path)
        assert isinstance(waiting.exception(), FileNotFoundError)


def locks_opened_of(folder: RequestFolder) -> int:
    """How often this process has the lock's file open."""
    files = Path("/proc/self/fd").iterdir()
    return sum(os.path.realpath(file).startswith(f"{folder.path}/") for file in files)


@pytest.mark.parametrize("name", ["../x", "", "a/b", "..", ".store-id"])
def test_an_id_is_never_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadMessage, match="is not the id of a request"):
        RequestFolder(tmp_path, name)


@pytest.mark.parametrize("content", [b"", b'{"id":"nightly"}', b'{"id":"nightly","work":{}}'])
def test_a_request_that_cannot_be_read_is_not_replaced_and_can_be_cancelled(
    folder: RequestFolder, content: bytes
) -> None:
    folder.submit(REQUEST)
    (folder.path / request_store.REQUEST_FILE).write_bytes(content)
    for use in (folder.request, folder.view, lambda: folder.submit(REQUEST)):
        with pytest.raises(BadMessage, match="nightly is stored and cannot be read"):
            use()
    assert open_requests(folder.path.parents[1]) == []
    assert folder.cancel()
    assert folder.state is RequestState.CANCELLED


def test_a_request_in_the_folder_of_another_is_none(folder: RequestFolder) -> None:
    folder.submit(REQUEST)
    folder.path.rename(folder.path.with_name("copied"))
    with pytest.raises(BadMessage):
        RequestFolder(folder.path.parents[1], "copied").request()
    assert open_requests(folder.path.parents[1]) == []
    with pytest.raises(BadMessage, match="request other contains the id 'nightly'"):
        RequestFolder(folder.path.parents[1], "other").submit(REQUEST)


def replaced_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"{"), replaced_by_pipe])
def test_an_outcome_that_cannot_be_read_is_a_failure(
    folder: RequestFolder, damage: Callable[[Path], object]
) -> None:
    """The request has ended, so it must not run again."""
    folder.submit(REQUEST)
    stored_requests.finish(Workspace(folder.path.parents[1], folder.id), WELL)
    damage(folder.path / request_store.OUTCOME_FILE)
    outcome = folder.outcome()
    assert outcome is not None
    assert "the outcome of request nightly is stored and cannot be read" in outcome.error


def test_a_request_is_stored_once_with_its_input(folder: RequestFolder) -> None:
    assert (folder.state, folder.request(), folder.view()) == (None, None, None)
    assert folder.submit(REQUEST, b"a model")
    assert not folder.submit(msgspec.structs.replace(REQUEST, created=2.0), b"another")
    assert (folder.request(), folder.input()) == (REQUEST, b"a model")
    assert folder.state is RequestState.WAITING
