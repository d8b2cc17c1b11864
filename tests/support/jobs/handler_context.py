"""The context of a request handler for a test: a real store, a real server, recorded progress."""

from __future__ import annotations

from pathlib import Path

from shared.messages.requests import Progress, Request, Work
from shared.registry.registry import Registry
from tests.support.servers.redis_server import RedisServer
from worker.requests.context import Context


class Notes:
    """An attempt that records each stage and each confirmation."""

    def __init__(self) -> None:
        self.reported: list[Progress] = []
        self.confirmed = 0

    @property
    def stages(self) -> list[str]:
        """The stages in their order, each once."""
        return list(dict.fromkeys(progress.stage for progress in self.reported))

    def report(self, progress: Progress) -> None:
        self.reported.append(progress)

    def confirm(self) -> None:
        self.confirmed += 1


def make(
    server: RedisServer,
    store: Path,
    work: Work,
    input: bytes | None = None,
    request_id: str = "r1",
    created: float = 1.7e9,
) -> tuple[Context, Notes]:
    """A context of an attempt at this work; the same id and time mean the same request."""
    folder = store / ".requests-2" / request_id / "work"
    folder.mkdir(parents=True, exist_ok=True)
    notes = Notes()
    context = Context(
        request=Request(request_id, work, "tester@here", created),
        registry=Registry(store),
        client=server.client,
        folder=folder,
        input=input,
        report=notes.report,
        confirm=notes.confirm,
    )
    return context, notes
