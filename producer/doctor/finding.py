"""One finding: a topic, a level, and what to do."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator

import msgspec

from shared.errors import HangtagError


class Level(enum.StrEnum):
    """How good a finding is."""

    OK = "ok"
    NOTE = "note"  #: something does less than it could
    PROBLEM = "problem"  #: something does not work


class Finding(msgspec.Struct, frozen=True):
    """One line of a report."""

    topic: str
    level: Level
    text: str
    fix: str = ""  #: what to do; empty if there is nothing to do


def guarded(topic: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check; its error is a finding, too."""
    try:
        yield from check()
    except HangtagError as error:
        what, _, fix = str(error).partition("; ")
        yield Finding(topic, Level.PROBLEM, what, fix)
    except OSError as error:
        text = f"{error.filename or 'this machine'}: {error.strerror or error}"
        yield Finding(topic, Level.PROBLEM, text, "check its permissions")
