"""The copies of requests in a store: whose they are, and which are refused."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from shared.errors import BadMessage, RequestCancelled, UsageError
from shared.ledger import cancelled_requests, request_store
from shared.messages.requests import Promote, Request, Rollback

REQUEST = Request("nightly", Promote("shoes@2"), "ann", 1.0)
OTHER = msgspec.structs.replace(REQUEST, work=Rollback("shoes"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_an_id_stands_for_one_work(store: Path) -> None:
    request_store.check_id(store, REQUEST)
    request_store.keep(store, REQUEST)
    request_store.check_id(store, msgspec.structs.replace(REQUEST, created=2.0))
    with pytest.raises(UsageError, match="request nightly exists for other work"):
        request_store.check_id(store, OTHER)
    with (
        pytest.raises(UsageError, match="exists for other work"),
        request_store.kept(store, OTHER, None, True),
    ):
        pass
    assert request_store.load(store, "nightly") == REQUEST


def test_a_request_at_a_broker_is_not_stored_by_its_submission(store: Path) -> None:
    with request_store.kept(store, REQUEST, b"input", False):
        assert not store.exists()
    with request_store.kept(store, REQUEST, b"input", True):
        assert request_store.load(store, "nightly") == REQUEST


@pytest.mark.parametrize("error", [UsageError, RequestCancelled, BadMessage])
def test_a_request_that_is_refused_does_not_stay(store: Path, error: type[Exception]) -> None:
    with pytest.raises(error), request_store.kept(store, REQUEST, None, True):
        raise error("refused")
    assert request_store.load(store, "nightly") is None


def test_requests_are_listed_by_where_they_were_submitted(store: Path) -> None:
    there = msgspec.structs.replace(REQUEST, id="there", created=2.0)
    for request in (REQUEST, there):
        request_store.keep(store, request)
    (request_store.folder(store, "there") / request_store.HERE_FILE).unlink()
    assert request_store.unanswered(store) == [REQUEST, there]
    assert request_store.unanswered(store, here=True) == [REQUEST]
    assert request_store.unanswered(store, here=False) == [there]


def test_a_request_in_the_folder_of_another_is_not_listed(store: Path) -> None:
    request_store.keep(store, REQUEST)
    path = request_store.folder(store, "nightly")
    path.rename(path.with_name("copied"))
    assert request_store.unanswered(store) == []
    assert request_store.unreadable(store) == ["copied"]


def test_a_folder_whose_name_is_no_id_is_no_request(store: Path) -> None:
    request_store.keep(store, REQUEST)
    path = request_store.folder(store, "nightly")
    path.rename(path.with_name(".nightly"))
    assert request_store.unanswered(store) == []
    assert request_store.unreadable(store) == []


@pytest.mark.parametrize("request_id", ["../x", "", "a/b", ".lock"])
def test_a_path_is_no_id(store: Path, request_id: str) -> None:
    with pytest.raises(BadMessage, match="is not the id of a request"):
        request_store.folder(store, request_id)
    assert not cancelled_requests.is_cancelled(store, request_id)


def test_a_path_is_not_cancelled_although_such_a_file_exists(store: Path) -> None:
    (store / request_store.FOLDER / ".cancelled-a").mkdir(parents=True)
    (store / request_store.FOLDER / ".cancelled-a" / "b").write_bytes(b"")
    assert not cancelled_requests.is_cancelled(store, "a/b")


def test_a_request_that_is_forgotten_stays_so_after_a_power_failure(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_store.keep(store, REQUEST)
    path, synced, fsync = request_store.folder(store, "nightly"), list[tuple[str, bool]](), os.fsync

    def noting(fd: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{fd}"), (path / "request.json").exists()))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", noting)
    request_store.forget(store, "nightly", in_use=True)
    assert synced == [(str(path), False)]


def test_a_cancelled_id_is_used_again_by_no_work(store: Path) -> None:
    cancelled_requests.check(store, REQUEST)
    request_store.keep(store, REQUEST)
    cancelled_requests.record(store, "nightly", REQUEST)
    with pytest.raises(RequestCancelled, match="nightly was cancelled before"):
        cancelled_requests.check(store, REQUEST)
    with pytest.raises(UsageError, match="nightly exists for other work"):
        cancelled_requests.check(store, OTHER)


@pytest.mark.parametrize("content", [b"", b"{", b'{"good": 1}', b"\xff\xfe"])
def test_an_outcome_that_cannot_be_read_ends_its_request_nevertheless(
    store: Path, content: bytes
) -> None:
    """Its work would run a second time, and could never store what came of it."""
    request_store.keep(store, REQUEST)
    assert request_store.outcome(store, "nightly") is None
    (request_store.folder(store, "nightly") / request_store.OUTCOME_FILE).write_bytes(content)
    outcome = request_store.outcome(store, "nightly")
    assert outcome is not None
    assert (outcome.ok, outcome.usage) == (False, False)
    assert "choose another --request-id" in outcome.error
    assert request_store.unanswered(store) == []


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)])
@pytest.mark.parametrize("name", ["request.json", "outcome.json", "here"])
def test_nothing_waits_for_a_pipe_or_device_in_the_folder_of_a_request(
    store: Path, name: str, make: Callable[[Path], None]
) -> None:
    request_store.keep(store, REQUEST)
    file = request_store.folder(store, "nightly") / name
    file.unlink(missing_ok=True)
    make(file)
    assert (request_store.load(store, "nightly") is None) == (name == "request.json")
    assert (request_store.outcome(store, "nightly") is None) == (name != "outcome.json")
    assert request_store.is_here(store, "nightly") or name == "here"


def test_a_cancellation_is_recorded_on_a_full_disk(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its id would run again once the stack has ended, although `cancelled` was said."""

    def full(path: Path, data: bytes) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    request_store.keep(store, REQUEST)
    monkeypatch.setattr(request_store, "write_part", full)
    cancelled_requests.record(store, "nightly", REQUEST)
    assert request_store.load(store, "nightly") is None
    with pytest.raises(RequestCancelled):
        cancelled_requests.check(store, REQUEST)
    with pytest.raises(UsageError, match="exists for other work"):
        cancelled_requests.check(store, OTHER)
