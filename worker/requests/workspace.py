"""What the store keeps of one request, so that its work outlives trainers and Redis.

STORE/.requests/ID/request.json   what is asked for: since a round saw it wait, or the first attempt
STORE/.requests/ID/input          what travelled beside it
STORE/.requests/ID/began          its time is that of the first attempt
STORE/.requests/ID/fence          the highest that was granted and has got here
STORE/.requests/ID/work/          checkpoint, decoded images: deleted with the outcome
STORE/.requests/ID/files/         the outcome's pictures
STORE/.requests/ID/outcome.json   arrives last
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from shared import atomic_file
from shared.failpoints import failpoint
from shared.ledger import request_store
from shared.ledger.request_states import Grant
from shared.ledger.request_store import FOLDER, OUTCOME_FILE, REQUEST_FILE, replace, write_part
from shared.messages.requests import Outcome, Request, encode_request


class Workspace:
    """One request of a store. Nothing is created before `keep` or `enter`."""

    def __init__(self, store: Path, request_id: str) -> None:
        """Raises BadMessage if the id cannot be one."""
        self._store, self._id = store, request_id
        self._path = request_store.folder(store, request_id)
        self.work = self._path / "work"  #: for whoever has the request

    @property
    def fence(self) -> int:
        """The highest that has got here; 0 where there was none, or it cannot be read."""
        try:
            return int((self._path / "fence").read_text())
        except (OSError, ValueError):  # a store that does not do is found out by `enter`
            return 0

    @property
    def began(self) -> float:
        """When the request was first worked on, seconds since 1970; now where it was not."""
        try:
            return (self._path / "began").stat().st_mtime
        except FileNotFoundError:
            return time.time()

    def request(self) -> Request | None:
        """What is kept under this id."""
        return request_store.load(self._store, self._id)

    def input(self) -> bytes | None:
        """What travelled beside the request."""
        with suppress(FileNotFoundError):
            return (self._path / "input").read_bytes()
        return None

    def outcome(self) -> Outcome | None:
        """How it ended, if it has."""
        return request_store.outcome(self._store, self._id)

    def files(self, outcome: Outcome) -> dict[str, bytes]:
        """The pictures beside an outcome, those that are still there."""
        found = {}
        for name in outcome.files:
            with suppress(OSError):
                found[name] = (self._path / "files" / name).read_bytes()
        return found

    def keep(self, request: Request, input: bytes | None) -> None:
        """Keep a request that waits at a broker, where nothing is kept under its id.

        Whether it waits still the caller finds out after this: what has ended is not to be kept.
        """
        if self.request() is not None:
            return
        atomic_file.make_folder(self._path)
        failpoint("request.room-made")
        if input is not None:
            replace(self._path / "input", input)
        replace(self._path / REQUEST_FILE, encode_request(request))

    def enter(self, grant: Grant) -> bool:
        """Take the request over, also in the eyes of the store. False: a later one has done so.

        Raises:
            Unavailable: somebody has fallen asleep with the lock in hand.
        """
        atomic_file.make_folder(self._path)
        with request_store.locked(self._store):
            if grant.fence <= self.fence:
                return False
            replace(self._path / "fence", str(grant.fence).encode())
        self.work.mkdir(exist_ok=True)  # not by one that wakes when all is done and tidied up
        failpoint("request.entered")
        with suppress(FileExistsError):
            (self._path / "began").touch(exist_ok=False)
            failpoint("request.began")
        kept, asked = self.request(), grant.request
        other = kept is not None and asked is not None and kept.work != asked.work
        if grant.input is not None and not other:
            replace(self._path / "input", grant.input)
        if asked is not None and kept is None:
            replace(self._path / REQUEST_FILE, encode_request(asked))
        return True

    def holds(self, fence: int) -> bool:
        """Whether nobody with a higher fence has come by."""
        return self.fence == fence

    def answer(self, fence: int, outcome: Outcome, files: Mapping[str, bytes]) -> bool:
        """Keep how it ended. False: it is no longer ours, or has ended; nothing has changed.

        Raises:
            Unavailable: as `enter`.
            OSError: the store cannot be written.
        """
        atomic_file.make_folder(self._path / "files")
        told = msgspec.json.encode(msgspec.structs.replace(outcome, files=tuple(files)))
        contents = {self._path / "files" / name: data for name, data in files.items()}
        contents[self._path / OUTCOME_FILE] = told  # the last to arrive
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
        """Keep an outcome that Redis has and nobody here has worked out."""
        replace(self._path / OUTCOME_FILE, msgspec.json.encode(outcome))
        self.tidy()

    def tidy(self) -> None:
        """Delete what only the work needed."""
        shutil.rmtree(self.work, ignore_errors=True)
        failpoint("request.work-removed")
        with suppress(OSError):
            (self._path / "input").unlink()

    def forget(self) -> None:
        """Delete everything."""
        shutil.rmtree(self._path, ignore_errors=True)
        failpoint("request.forgotten")


def finished_before(store: Path, moment: float) -> Iterator[Workspace]:
    """Requests with an outcome that is older than `moment`, seconds since 1970."""
    for path in (store / FOLDER).glob(f"*/{OUTCOME_FILE}"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < moment:
                yield Workspace(store, path.parent.name)
