"""The folder of one request in the store, so that its work survives trainers and Redis.

Beside the files of shared/ledger/request_store.py:

STORE/.requests/ID/began          its mtime is the start of the first attempt
STORE/.requests/ID/fence          the highest fence that has entered
STORE/.requests/ID/work/          checkpoint, decoded images: deleted once there is an outcome
STORE/.requests/ID/files/         the outcome's plots
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from shared import atomic_file
from shared.errors import BadMessage
from shared.failpoints import failpoint
from shared.ledger import cancelled_requests, request_store
from shared.ledger.request_states import Grant
from shared.ledger.request_store import FOLDER, OUTCOME_FILE, REQUEST_FILE, replace, write_part
from shared.messages.requests import Outcome, Request, encode_request


class Workspace:
    """One request of a store. No file is created before `store` or `enter`."""

    def __init__(self, store: Path, request_id: str) -> None:
        """Raises BadMessage if the id is invalid."""
        self._store, self.id = store, request_id
        self._path = request_store.folder(store, request_id)
        #: For the trainer that holds the request.
        self.work = self._path / request_store.WORK_FOLDER

    @property
    def fence(self) -> int:
        """The highest fence that has entered; 0 if there is none, or it cannot be read."""
        try:
            return int((self._path / "fence").read_text())
        except (OSError, ValueError):  # `enter` reports a store that cannot be used
            return 0

    @property
    def started(self) -> float:
        """Start of the first attempt, seconds since 1970; now if there was none."""
        try:
            return (self._path / "began").stat().st_mtime
        except FileNotFoundError:
            return time.time()

    def request(self) -> Request | None:
        """The stored request, or None."""
        return request_store.load(self._store, self.id)

    def input(self) -> bytes | None:
        """The bytes that were submitted with the request, or None."""
        with suppress(FileNotFoundError):
            return (self._path / "input").read_bytes()
        return None

    def outcome(self) -> Outcome | None:
        """The stored outcome, or None."""
        return request_store.outcome(self._store, self.id)

    def files(self, outcome: Outcome) -> dict[str, bytes]:
        """The plots beside an outcome, as far as they still exist."""
        contents = {}
        for name in outcome.files:
            with suppress(OSError):
                contents[name] = (self._path / "files" / name).read_bytes()
        return contents

    def store(self, request: Request, input: bytes | None) -> None:
        """Store a request that waits at a broker, unless one is stored under its id.

        The caller checks afterwards whether it still waits, and deletes it if it has ended.
        """
        if self.request() is not None:
            return
        atomic_file.make_folder(self._path)
        failpoint("request.room-made")
        if input is not None:
            replace(self._path / "input", input)
        replace(self._path / REQUEST_FILE, encode_request(request))

    def enter(self, grant: Grant) -> bool:
        """Take the request over in the store as well. False: a later attempt has done so.

        Raises:
            Unavailable: a suspended process holds the lock.
        """
        atomic_file.make_folder(self._path)
        with request_store.locked(self._store):
            if grant.fence <= self.fence:
                return False
            replace(self._path / "fence", str(grant.fence).encode())
        self.work.mkdir(exist_ok=True)  # only here: a suspended attempt must not recreate it
        failpoint("request.entered")
        with suppress(FileExistsError):
            (self._path / "began").touch(exist_ok=False)
            failpoint("request.began")
        stored, granted = self.request(), grant.request
        other = stored is not None and granted is not None and stored.work != granted.work
        if grant.input is not None and not other:
            replace(self._path / "input", grant.input)
        if granted is not None and stored is None:
            replace(self._path / REQUEST_FILE, encode_request(granted))
        return True

    def holds(self, fence: int) -> bool:
        """Whether no attempt with a higher fence has entered."""
        return self.fence == fence

    def finish(self, fence: int, outcome: Outcome, files: Mapping[str, bytes]) -> bool:
        """Store the outcome. False: the request was taken over or is finished; nothing changes.

        On a full disk the outcome takes the place of the work.

        Raises:
            Unavailable: as `enter`.
            OSError: the store cannot be written.
        """
        try:
            return self._finish(fence, outcome, files)
        except OSError:
            with request_store.locked(self._store):
                if not self.holds(fence):
                    return False
                self.tidy()
            return self._finish(fence, outcome, files)

    def _finish(self, fence: int, outcome: Outcome, files: Mapping[str, bytes]) -> bool:
        atomic_file.make_folder(self._path / "files")
        encoded = msgspec.json.encode(msgspec.structs.replace(outcome, files=tuple(files)))
        contents = {self._path / "files" / name: data for name, data in files.items()}
        contents[self._path / OUTCOME_FILE] = encoded  # written last
        parts: dict[Path, Path] = {}
        try:
            for path, data in contents.items():
                parts[path] = write_part(path, data)
            return self._put(fence, parts)
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)

    def _put(self, fence: int, parts: Mapping[Path, Path]) -> bool:
        with request_store.locked(self._store):
            if not self.holds(fence) or (self._path / OUTCOME_FILE).exists():
                return False
            for path, part in parts.items():
                atomic_file.place(part, path)
                failpoint("request.answer-placed")
        return True

    def close(self, outcome: Outcome) -> None:
        """Store an outcome that was found in Redis, not computed from this store."""
        self.tidy()  # first: the disk may be full
        replace(self._path / OUTCOME_FILE, msgspec.json.encode(outcome))

    def tidy(self) -> None:
        """Delete the files that only the work needed."""
        shutil.rmtree(self.work, ignore_errors=True)
        failpoint("request.work-removed")
        with suppress(OSError):
            (self._path / "input").unlink()

    def cancel(self) -> None:
        """Delete the folder of a cancelled request. If it was submitted on this machine, record
        that: the command that cancelled it may have died before."""
        request = self.request()
        if request is not None and request_store.is_here(self._store, self.id):
            cancelled_requests.remember(self._store, self.id, request)
        self.forget()

    def forget(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self._path, ignore_errors=True)
        failpoint("request.forgotten")


def finished_before(store: Path, moment: float) -> Iterator[Workspace]:
    """Requests with an outcome that is older than `moment`, seconds since 1970, and leftovers that
    are older."""
    for path in (store / FOLDER).glob("*/"):
        with suppress(FileNotFoundError, BadMessage):
            end = path if _is_leftover(path) else path / OUTCOME_FILE
            if end.stat().st_mtime < moment:
                yield Workspace(store, path.name)


def leftovers(store: Path) -> Iterator[Workspace]:
    """What trainers that died have left of requests that were cancelled on this machine."""
    for path in (store / FOLDER).glob("*/"):
        with suppress(BadMessage):
            if _is_leftover(path):
                yield Workspace(store, path.name)


def _is_leftover(path: Path) -> bool:
    return not (path / OUTCOME_FILE).exists() and not (path / REQUEST_FILE).exists()
