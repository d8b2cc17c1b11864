"""The requests of a store. Their folders decide what waits, who works on it, and what has ended.

In STORE/.requests-2/ID:

request.json    an open request: written once, by its submission on this machine or by the trainer
                that finds it at a broker
answered.json   the same file, renamed: `outcome.json` counts
cancelled.json  the same file, renamed: it was cancelled
input           the bytes submitted with it
outcome.json    with its plots in `files/`, before the request is answered
lock            locked by the process that submits it or works on it
attempts        worker/requests/workspace.py
work/           checkpoint and decoded images

One rename ends a request, so it ends once, also on a full disk. The kernel frees the lock of a
process that dies; one that is suspended keeps it, so no other process does its work.
"""

from __future__ import annotations

import enum
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from shared import atomic_file, file_lock, regular_file
from shared.errors import MISFITS, BadMessage, SetupError, Unavailable, UsageError
from shared.failpoints import failpoint
from shared.messages.requests import (
    REQUEST_ID,
    Outcome,
    Progress,
    Request,
    decode_request,
    encode_request,
)

#: 0.2.0 has its own in `.requests`, which this version does not continue.
FOLDER, OLD_FOLDER = ".requests-2", ".requests"
REQUEST_FILE = "request.json"
CANCELLED_FILE = "cancelled.json"
ANSWERED_FILE = "answered.json"
#: The names of a request's file; it has one of them.
_FILES = (REQUEST_FILE, ANSWERED_FILE, CANCELLED_FILE)
INPUT_FILE = "input"
OUTCOME_FILE = "outcome.json"
ATTEMPTS_FILE = "attempts"
#: A command reads a lock, and a submission holds it, for far less; a trainer that is suspended or
#: works holds it for longer.
LOCK_WAIT_S = 1.0
_LOCK_PAUSE_S = 0.01
_LOCK_FILE = "lock"
#: For all who may use the store.
_LOCK_MODE = 0o666
_REMEDY = "set HANGTAG_STORE to a folder"


class RequestState(enum.StrEnum):
    WAITING = "waiting"  #: no trainer works on it
    RUNNING = "running"
    DONE = "done"  #: it has an outcome, success or failure
    CANCELLED = "cancelled"


class RequestView(msgspec.Struct, frozen=True):
    """A snapshot of a request."""

    request: Request
    state: RequestState
    outcome: Outcome | None = None  #: of DONE
    progress: Progress | None = None  #: as of the last report
    owner: str = ""  #: the process that has reported it
    silent_s: float = 0.0  #: since that report
    is_stored: bool = True  #: whether the store says so, and not Redis alone

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.state in (RequestState.WAITING, RequestState.RUNNING)


class RequestFolder:
    """One request of a store. Nothing is created before `submit`."""

    def __init__(self, store: Path, request_id: str) -> None:
        """Raises BadMessage if the id is invalid, for example a path."""
        if not REQUEST_ID.fullmatch(request_id):
            raise BadMessage(f"{request_id!r} is not the id of a request")
        self.id, self.path = request_id, store / FOLDER / request_id
        self.work = self.path / "work"

    @property
    def state(self) -> RequestState | None:
        """None if there is no such request."""
        for name in _FILES:
            if os.path.lexists(self.path / name):
                return self._state(name)
        return None

    def _state(self, name: str) -> RequestState:
        """That of a request whose file has this name."""
        if name == REQUEST_FILE:
            return RequestState.RUNNING if self._is_locked() else RequestState.WAITING
        return RequestState.DONE if name == ANSWERED_FILE else RequestState.CANCELLED

    @property
    def is_open(self) -> bool:
        """Whether it has been submitted and not ended."""
        return os.path.lexists(self.path / REQUEST_FILE)

    @property
    def is_cancelled(self) -> bool:
        """Whether it was cancelled."""
        return os.path.lexists(self.path / CANCELLED_FILE)

    def request(self) -> Request | None:
        """The request, open or ended; None if there is none.

        Raises:
            BadMessage: it cannot be read.
        """
        stored = self._stored()
        return None if stored is None else stored[1]

    def _stored(self) -> tuple[str, Request] | None:
        """The name of the request's file, and the request."""
        for name in _FILES:
            with suppress(FileNotFoundError, NotADirectoryError):
                return name, self._read_request(name)
        return None

    def _read_request(self, name: str) -> Request:
        try:
            request = decode_request(_read(self.path / name))
            if request.id != self.id:
                raise BadMessage(f"it contains the id {request.id!r}")
        except (FileNotFoundError, NotADirectoryError):
            raise
        except (OSError, BadMessage) as error:
            raise BadMessage(
                f"request {self.id} is stored and cannot be read: another version wrote it, or it "
                f"is damaged ({error}); choose another --request-id, or cancel it with: "
                f"hangtag cancel {self.id}"
            ) from error
        return request

    def input(self) -> bytes | None:
        """The bytes that were submitted with the request, or None."""
        with suppress(FileNotFoundError):
            return (self.path / INPUT_FILE).read_bytes()
        return None

    def outcome(self) -> Outcome | None:
        """The outcome; None as long as it has none. One that cannot be read is a failure: the
        request has ended, so it must not run again."""
        return self.written_outcome() if self.state is RequestState.DONE else None

    def written_outcome(self) -> Outcome | None:
        """The outcome also of a trainer that died before it answered the request with it."""
        try:
            return msgspec.json.decode(_read(self.path / OUTCOME_FILE), type=Outcome)
        except (OSError, *MISFITS):
            if not self.is_open:
                return Outcome(ok=False, error=self._unreadable_outcome())
            return None

    def _unreadable_outcome(self) -> str:
        return (
            f"the outcome of request {self.id} is stored and cannot be read: another version wrote "
            "it, or it is damaged; choose another --request-id"
        )

    def files(self, outcome: Outcome) -> dict[str, bytes]:
        """The plots of an outcome, as far as they still exist."""
        contents = {}
        for name in outcome.files:
            with suppress(OSError):
                contents[name] = (self.path / "files" / name).read_bytes()
        return contents

    def file(self, name: str) -> bytes:
        """A plot of the outcome.

        Raises:
            SetupError: it has expired.
        """
        outcome = self.outcome()
        files = {} if outcome is None else self.files(outcome)
        if name not in files:
            raise expired(self.id, name)
        return files[name]

    def view(self) -> RequestView | None:
        """The request as commands see it, without progress. Raises BadMessage as `request`."""
        stored = self._stored()
        if stored is None:
            return None
        name, request = stored
        outcome = self.written_outcome() if name == ANSWERED_FILE else None
        return RequestView(request, self._state(name), outcome)

    def submit(self, request: Request, input: bytes | None = None, stack: str = "") -> bool:
        """Store a request that is given to `stack`; False if it is stored already, open or ended.

        Raises:
            UsageError: other work has this id.
            BadMessage: what is stored under this id cannot be read.
            Unavailable: a suspended process holds the lock.
            SetupError: the store cannot be written.
        """
        if request.check().id != self.id:
            raise BadMessage(f"request {self.id} contains the id {request.id!r}")
        known = self.request()
        if known is None:
            with atomic_file.writing(self.path, _REMEDY):
                atomic_file.make_folder(self.path)
                with self.locked(LOCK_WAIT_S) as is_free:
                    known = self.request()
                    if known is None and not is_free:
                        raise Unavailable(f"{self.path} is locked by a suspended process; end it")
                    if known is None:
                        failpoint("request.room-made")
                        if input is not None:
                            replace(self.path / INPUT_FILE, input)
                        given = msgspec.structs.replace(request, stack=stack)
                        replace(self.path / REQUEST_FILE, encode_request(given))
                        return True
        if known.work != request.work:
            raise other_work(self.id)
        return False

    def cancel(self) -> bool:
        """Cancel an open request, and delete what only its work needs, unless a process works on
        it, which does that once it notices. False if it has ended otherwise, or there is none.

        Raises:
            SetupError: the store cannot be written.
        """
        with atomic_file.writing(self.path, "make the store writable"):
            self.end(CANCELLED_FILE)
        self.clear()
        return self.is_cancelled

    def end(self, name: str) -> None:
        """End the request, if it is open, by renaming its file."""
        with suppress(FileNotFoundError):
            os.rename(self.path / REQUEST_FILE, self.path / name)
            atomic_file.sync_folder(self.path)
        failpoint("request.ended")

    def clear(self) -> None:
        """Delete what only the work of an ended request needs, unless a process works on it."""
        with suppress(OSError), self.locked(0) as is_free:
            if is_free and not self.is_open:
                self.tidy()

    def tidy(self) -> None:
        """Delete the files that only the work needs."""
        shutil.rmtree(self.work, ignore_errors=True)
        failpoint("request.work-removed")
        for name in (INPUT_FILE, ATTEMPTS_FILE):
            with suppress(OSError):
                (self.path / name).unlink()

    def forget(self) -> None:
        """Delete the folder, unless a process has locked it."""
        with suppress(OSError), self.locked(0) as is_free:
            if is_free:
                shutil.rmtree(self.path, ignore_errors=True)
                failpoint("request.forgotten")

    @contextmanager
    def locked(self, wait_s: float) -> Iterator[bool]:
        """Hold the lock in the block: True. False if another process has it for `wait_s`.

        Raises:
            FileNotFoundError: there is no such request.
            OSError: the store cannot be written, or its file system has no locks.
        """
        file = self._open_lock(wait_s)
        try:
            yield file >= 0
        finally:
            if file >= 0:
                os.close(file)

    def _open_lock(self, wait_s: float) -> int:
        path = self.path / _LOCK_FILE
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _LOCK_MODE)
        is_mine = file_lock.acquire_within(file, wait_s, _LOCK_PAUSE_S)
        if is_mine and not file_lock.lost(path, file):
            return file
        os.close(file)
        return self._open_lock(wait_s) if is_mine else -1  # the folder was forgotten meanwhile

    def _is_locked(self) -> bool:
        with suppress(OSError):
            return file_lock.held(self.path / _LOCK_FILE)
        return False


def folders(store: Path) -> Iterator[RequestFolder]:
    """All requests of a store, also those that have ended.

    Raises:
        OSError: the disk fails.
    """
    try:
        names = os.listdir(store / FOLDER)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    for name in names:
        with suppress(BadMessage):
            yield RequestFolder(store, name)


def unfinished_of_0_2_0(store: Path) -> list[str]:
    """The ids of the requests of version 0.2.0 that had not ended."""
    files = sorted((store / OLD_FOLDER).glob(f"*/{REQUEST_FILE}"))
    return [path.parent.name for path in files if not path.with_name(OUTCOME_FILE).exists()]


def open_requests(store: Path) -> list[Request]:
    """Every open request that can be read, oldest first.

    Raises:
        OSError: the disk fails.
    """
    requests = []
    for folder in folders(store):
        with suppress(BadMessage):
            request = folder.request() if folder.is_open else None
            if request is not None:
                requests.append(request)
    return sorted(requests, key=lambda request: (request.created, request.id))


def other_work(request_id: str) -> UsageError:
    """The error of a submission whose id is that of other work."""
    return UsageError(f"request {request_id} exists for other work; choose another id")


def expired(request_id: str, name: str) -> SetupError:
    """The error of a plot that is not there any more."""
    return SetupError(f"{name} of request {request_id} has expired; submit a new request")


def replace(path: Path, data: bytes) -> None:
    """Replace a file atomically and durably."""
    # Trainers on several machines may share a store and have the same pids.
    part = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    with atomic_file.created(part) as file:
        file.write(data)
    failpoint("kept.part-written")
    atomic_file.rename_durably(part, path)
    failpoint("kept.replaced")


def _read(file: Path) -> bytes:
    with regular_file.open_file(file) as stored:
        return stored.read()
