"""The context of a request handler: the request, its working folder, and progress reports.

A handler is a function `(context, work) -> Reply`. It may run again from the start, in another
process, so it uses the request's id to publish its results once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import redis

from shared.labels.label_line import LabelLine
from shared.labels.submitted_lines import decode_input, labelled
from shared.messages.requests import Progress, Request
from shared.registry.registry import Registry

#: Stages of progress that several handlers report.
LOADING, EVALUATING = "loading", "evaluating"
PUBLISHING, PROMOTING = "publishing", "promoting"


class RequestStopped(Exception):
    """The request was cancelled, or the trainer shuts down. Do not catch it."""


class Reply(NamedTuple):
    """The answer to a request, and plots beside it, PNG by name."""

    answer: msgspec.Struct
    files: dict[str, bytes] = {}


class Context(msgspec.Struct, frozen=True):
    """The context of one attempt at one request."""

    request: Request
    registry: Registry
    client: redis.Redis
    folder: Path  #: in the store; its files stay for the next attempt
    input: bytes | None  #: the bytes that were submitted with the request
    #: Reports progress. Cheap: it is sent about once a second. Raises RequestStopped.
    report: Callable[[Progress], None]
    #: Is called right before a result becomes visible. Raises RequestStopped if it must not.
    confirm: Callable[[], None]

    @property
    def who(self) -> str:
        """The user who made the request, for the history of aliases."""
        return self.request.who

    @property
    def corrections(self) -> list[LabelLine]:
        """The labels that people gave, submitted with the request. Raises BadMessage."""
        return labelled(decode_input(self.input, getattr(self.request.work, "corrections", "")))

    def stage(self, name: str) -> None:
        """Report the start of a stage. Raises RequestStopped."""
        self.report(Progress(name))

    def loading(self, done: int, total: int) -> None:
        """Report how many files are loaded. Raises RequestStopped."""
        self.report(Progress(LOADING, step=done, steps=total))

    def loading_part(self, name: str, done: int, total: int) -> None:
        """Report a part of the loading, with its own steps. Raises RequestStopped."""
        self.report(Progress(LOADING, part=name, step=done, steps=total))
