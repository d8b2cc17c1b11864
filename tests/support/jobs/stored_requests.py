"""Requests in a store, as commands and trainers leave them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shared.messages.requests import Outcome, Request
from worker.requests.workspace import Workspace


def keep(store: Path, request: Request, input: bytes | None = None) -> Workspace:
    """A request that waits."""
    folder = Workspace(store, request.id)
    assert folder.submit(request, input)
    return folder


def finish(folder: Workspace, outcome: Outcome, files: Mapping[str, bytes] = {}) -> None:
    """End it with an outcome."""
    folder.finish(outcome, files)
    assert folder.answer()


def outcome(store: Path, request_id: str) -> Outcome | None:
    """The outcome of a request; None if it has none."""
    return Workspace(store, request_id).outcome()
