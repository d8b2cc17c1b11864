"""Requests in a store, as commands and trainers leave them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shared.broker.runtime_paths import stack_id
from shared.messages.requests import Outcome, Request
from shared.settings import Settings
from worker.requests.workspace import Workspace


def keep(store: Path, request: Request, input: bytes | None = None) -> Workspace:
    """A request of a broker that waits."""
    folder = Workspace(store, request.id)
    assert folder.submit(request, input)
    return folder


def keep_on_stack(settings: Settings, request: Request) -> Workspace:
    """A request of this machine's stack that waits."""
    folder = Workspace(settings.store_path, request.id)
    assert folder.submit(request, stack=stack_id(settings))
    return folder


def finish(folder: Workspace, outcome: Outcome, files: Mapping[str, bytes] = {}) -> None:
    """End it with an outcome."""
    folder.finish(outcome, files)
    assert folder.answer()


def outcome(store: Path, request_id: str) -> Outcome | None:
    """The outcome of a request; None if it has none."""
    return Workspace(store, request_id).outcome()
