"""The cancelled requests of this machine's stacks, which Redis forgets when a stack ends.

STORE/.requests/.cancelled-ID   the request; empty if another version of Hangtag made it
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from shared import atomic_file
from shared.errors import BadMessage, RequestCancelled, UsageError
from shared.failpoints import failpoint
from shared.ledger import request_store
from shared.messages.requests import REQUEST_ID, Request, decode_request, encode_request

_PREFIX = ".cancelled-"


def remember(store: Path, request_id: str, request: Request | None) -> None:
    """Record that a request was cancelled. `request` is None if it cannot be read.

    On a full disk its copy becomes the record, which takes no room. A store that cannot be written
    at all gets none: Redis has the cancellation.
    """
    content = b"" if request is None else encode_request(request)
    with suppress(OSError):
        try:
            request_store.replace(_path(store, request_id), content)
        except OSError:
            copy = request_store.folder(store, request_id) / request_store.REQUEST_FILE
            atomic_file.place(copy, _path(store, request_id))
        failpoint("kept.cancelled")


def record(store: Path, request_id: str, request: Request | None, *, in_use: bool = True) -> None:
    """Record that a request was cancelled, and delete its copy as `request_store.forget` does."""
    remember(store, request_id, request)
    request_store.forget(store, request_id, in_use)


def is_cancelled(store: Path, request_id: str) -> bool:
    """Whether a request was cancelled here."""
    return REQUEST_ID.fullmatch(request_id) is not None and _path(store, request_id).exists()


def check(store: Path, request: Request) -> None:
    """Refuse a request whose id was cancelled here.

    Raises:
        UsageError: other work had this id.
        RequestCancelled: the same work was cancelled.
    """
    if not is_cancelled(store, request.id):
        return
    with suppress(OSError, BadMessage):
        if decode_request(_path(store, request.id).read_bytes()).work != request.work:
            raise UsageError(f"request {request.id} exists for other work; choose another id")
    raise cancelled_before(request.id)


def cancelled_before(request_id: str) -> RequestCancelled:
    """The error of a submission whose id was cancelled."""
    return RequestCancelled(
        f"request {request_id} was cancelled before; choose another --request-id"
    )


def forget_before(store: Path, moment: float) -> None:
    """Delete records that are older than `moment`, seconds since 1970."""
    for path in (store / request_store.FOLDER).glob(f"*{_PREFIX}*"):  # also parts of dead writers
        with suppress(OSError):  # another process was faster, or it is a request's folder
            if path.stat().st_mtime < moment:
                path.unlink()
                failpoint("kept.cancellation-expired")


def _path(store: Path, request_id: str) -> Path:
    return store / request_store.FOLDER / f"{_PREFIX}{request_id}"
