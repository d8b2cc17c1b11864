"""The copies of requests in the store, which survive a loss of Redis.

STORE/.requests/ID/request.json   written by a trainer that finds the request waiting or claims it;
                                  on this machine's stack already by its submission
STORE/.requests/ID/here           the request was submitted to a stack, not at a broker
STORE/.requests/ID/input          the bytes submitted with it
STORE/.requests/ID/outcome.json   written last; closes the request
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from shared import atomic_file, file_lock, regular_file
from shared.errors import MISFITS, BadMessage, RequestCancelled, Unavailable, UsageError
from shared.failpoints import failpoint
from shared.messages.requests import REQUEST_ID, Outcome, Request, decode_request, encode_request

FOLDER = ".requests"
REQUEST_FILE = "request.json"
INPUT_FILE = "input"
HERE_FILE = "here"
OUTCOME_FILE = "outcome.json"
WORK_FOLDER = "work"
#: Renaming a file takes far less: a process that holds the lock for longer is suspended.
LOCK_WAIT_S = 5.0
_OTHER_ID = "choose another --request-id"
_LOCK_PAUSE_S = 0.02
_LOCK_FILE = ".lock"


def folder(store: Path, request_id: str) -> Path:
    """The folder of a request in this store; not created here.

    Raises:
        BadMessage: the id is invalid, for example a path.
    """
    if not REQUEST_ID.fullmatch(request_id):
        raise BadMessage(f"{request_id!r:.80} is not the id of a request")
    return store / FOLDER / request_id


def check_id(store: Path, request: Request) -> None:
    """Raises UsageError if other work is stored under this id: Redis may have lost it."""
    stored = load(store, request.id)
    if stored is not None and stored.work != request.work:
        raise UsageError(f"request {request.id} exists for other work; choose another id")


@contextmanager
def kept(store: Path, request: Request, input: bytes | None, here: bool) -> Iterator[None]:
    """Store a request of this machine's stack while it is submitted; not if that is refused.

    At a broker, not `here`, its trainer stores the request.

    Raises:
        UsageError: other work is stored under this id.
        SetupError: the store cannot be written.
    """
    if not here:
        yield
        return
    check_id(store, request)
    keep(store, request, input)
    try:
        yield
    except (UsageError, RequestCancelled, BadMessage):
        forget(store, request.id, in_use=True)
        raise


def keep(store: Path, request: Request, input: bytes | None = None) -> None:
    """Store a request that is submitted on this machine, unless it is stored already.

    Raises:
        SetupError: the store cannot be written.
    """
    path = folder(store, request.id)
    with atomic_file.writing(path, "set HANGTAG_STORE to a folder"):
        atomic_file.make_folder(path)
        if load(store, request.id) is None:
            replace(path / HERE_FILE, b"")
            failpoint("kept.begun")
            if input is not None:
                replace(path / INPUT_FILE, input)
            replace(path / REQUEST_FILE, encode_request(request))


def forget(store: Path, request_id: str, in_use: bool = False) -> None:
    """Delete the copy of a cancelled request. If a trainer still works on it, only the request, so
    that no other starts it again; the trainer deletes the rest."""
    path = folder(store, request_id)
    if in_use:
        with suppress(OSError):
            (path / REQUEST_FILE).unlink()
            atomic_file.sync_folder(path)
    else:
        shutil.rmtree(path, ignore_errors=True)
    failpoint("kept.forgotten")


def load(store: Path, request_id: str) -> Request | None:
    """The request that is stored under this id; None if there is none, or it is unreadable."""
    try:
        return decode_request(_read(folder(store, request_id) / REQUEST_FILE))
    except (OSError, BadMessage):
        return None


def outcome(store: Path, request_id: str) -> Outcome | None:
    """The outcome of a request; None if it has none. An unreadable one is a failure: the request
    has ended, so it must not run again."""
    try:
        file = folder(store, request_id) / OUTCOME_FILE
    except BadMessage:
        return None
    try:
        return msgspec.json.decode(_read(file), type=Outcome)
    except (OSError, *MISFITS):
        return _unreadable(request_id) if os.path.lexists(file) else None


def _unreadable(request_id: str) -> Outcome:
    line = f"the outcome of request {request_id} is stored and cannot be read: version 0.2.0 or "
    return Outcome(ok=False, error=f"{line}another one wrote it, or it is damaged; {_OTHER_ID}")


def is_here(store: Path, request_id: str) -> bool:
    """Whether a request was submitted to this machine's stack."""
    return (folder(store, request_id) / HERE_FILE).exists()


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Exclude other processes that store or close a request of this store: be brief.

    Raises:
        Unavailable: a suspended process holds the lock.
    """
    with open(store / FOLDER / _LOCK_FILE, "ab") as file:
        if not file_lock.acquire_within(file.fileno(), LOCK_WAIT_S, _LOCK_PAUSE_S):
            raise Unavailable(f"{file.name} is locked by a suspended process; resume or end it")
        yield


def unanswered(store: Path, here: bool | None = None) -> list[Request]:
    """Every stored request without an outcome, oldest first.

    `here`: True for this machine's stack only, False for the others only.
    """
    requests = (r for r in _unanswered(store) if here in (None, is_here(store, r.id)))
    return sorted(requests, key=lambda request: (request.created, request.id))


def replace(path: Path, data: bytes) -> None:
    """Replace a file atomically and durably."""
    atomic_file.place(write_part(path, data), path)
    failpoint("kept.replaced")


def write_part(path: Path, data: bytes) -> Path:
    """Write the replacement of `path` durably, in the same folder; removed after an error."""
    # Trainers on several machines may share a store and have the same pids.
    part = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    with atomic_file.created(part) as file:
        file.write(data)
    failpoint("kept.part-written")
    return part


def _read(file: Path) -> bytes:
    with regular_file.open_file(file) as stored:
        return stored.read()


def unreadable(store: Path) -> list[str]:
    """The ids of stored requests without an outcome that cannot be read: another version of Hangtag
    wrote them, or they are damaged."""
    return sorted(request_id for request_id, request in _open(store) if request is None)


def _unanswered(store: Path) -> Iterator[Request]:
    return (request for _, request in _open(store) if request is not None)


def _open(store: Path) -> Iterator[tuple[str, Request | None]]:
    """The ids of requests without an outcome, with what can be read of them."""
    for request_id in _names(store / FOLDER):
        path = store / FOLDER / request_id / REQUEST_FILE
        if not (REQUEST_ID.fullmatch(request_id) and os.path.exists(path)):
            continue
        if not path.with_name(OUTCOME_FILE).exists():
            request = load(store, request_id)
            is_its = request is not None and request.id == request_id
            yield request_id, request if is_its else None


def _names(folder: Path) -> list[str]:
    """Of what is in a folder; none if it does not exist, or belongs to another user.

    Raises:
        OSError: the disk fails, which `Path.glob` hides from Python 3.13 on.
    """
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
