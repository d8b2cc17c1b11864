"""Requests as the store keeps them: what is asked of its owner outlives Redis.

STORE/.requests/ID/request.json   written when a trainer claims it, or when it was restored
STORE/.requests/ID/outcome.json   arrives last, and answers it
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.request import REQUEST_ID, Outcome, Request, decode_request

FOLDER = ".requests"
REQUEST_FILE = "request.json"
OUTCOME_FILE = "outcome.json"


def folder(store: Path, request_id: str) -> Path:
    """Where a request of this store is kept; not created here.

    Raises:
        BadMessage: the id cannot be one, a path say.
    """
    if not REQUEST_ID.fullmatch(request_id):
        raise BadMessage(f"{request_id!r:.80} is not the id of a request")
    return store / FOLDER / request_id


def load(store: Path, request_id: str) -> Request | None:
    """The request that is kept under this id; None if none is, or it cannot be read."""
    try:
        return decode_request((folder(store, request_id) / REQUEST_FILE).read_bytes())
    except (OSError, BadMessage):
        return None


def outcome(store: Path, request_id: str) -> Outcome | None:
    """How it ended; None if it has not, or that cannot be read."""
    try:
        data = (folder(store, request_id) / OUTCOME_FILE).read_bytes()
        return msgspec.json.decode(data, type=Outcome)
    except (OSError, BadMessage, *MISFITS):
        return None


def unanswered(store: Path) -> list[Request]:
    """Every request that is kept and has no outcome, oldest first."""
    return sorted(_unanswered(store), key=lambda request: (request.created, request.id))


def _unanswered(store: Path) -> Iterator[Request]:
    for path in (store / FOLDER).glob(f"*/{REQUEST_FILE}"):
        if not path.with_name(OUTCOME_FILE).exists():
            request = load(store, path.parent.name)
            if request is not None and request.id == path.parent.name:
                yield request
