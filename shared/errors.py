"""The errors of Hangtag, by who must act, and the exit codes of the `hangtag` command.

HangtagError
├── ImageError         this image: it becomes a row with a status, its neighbours go on
├── Unavailable        the moment: wait and try again
│   └── BrokerAway         Redis does not answer
├── Unseen             files that a worker cannot open for itself: their bytes are sent instead
├── BadMessage         a payload that is not ours: rejected, logged, never executed
├── Unanswered         a request that has no answer, and nothing is wrong
│   ├── RequestCancelled   somebody cancelled it
│   └── StillOpen          it goes on, and is waited for no longer
└── SetupError         the set-up: stop, the message names the cure
    ├── Damaged            a job's journal: it cannot be read any more
    ├── BrokerRefuses      Redis does not let us in, or not do this: waiting changes nothing
    └── UsageError         what was typed: exit code 2
"""

from __future__ import annotations

import enum

import msgspec

from shared.image_status import Status

#: What msgspec raises for bytes that do not fit: also for text that is not UTF-8, and for nesting
#: without end.
MISFITS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


#: Of a text that may quote what somebody has sent: its head, and its tail where a cure stands.
HEAD_CHARS, TAIL_CHARS = 250, 200


def bounded(text: str) -> str:
    """One printable line of at most so many characters; what is left out is in the middle."""
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        text = f"{text[:HEAD_CHARS]} ... {text[-TAIL_CHARS:]}"
    return "".join(c if c.isprintable() else "?" for c in text)


class HangtagError(Exception):
    """Base of every error that Hangtag raises on purpose. Its text is one line for a person."""


class ImageError(HangtagError):
    """One image that cannot be classified; `status` is the stable code of its row."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.sentence)
        self.status = status


class Unavailable(HangtagError):
    """Something outside this process is away for the moment; the caller waits and tries again."""


class BrokerAway(Unavailable):
    """Redis does not answer."""


class BadMessage(HangtagError):
    """A message or record that does not have the agreed form.

    Its text may quote what somebody has sent, so it is one line of bounded length.
    """

    def __init__(self, text: str) -> None:
        super().__init__(bounded(text))


class Unseen(HangtagError):
    """Files that a worker was to open and cannot have, or that are not what the producer saw.

    Its text names a file, so it is one line of bounded length.
    """

    def __init__(self, text: str) -> None:
        super().__init__(bounded(text))


class Unanswered(HangtagError):
    """A request that has no answer, and nothing is wrong."""


class RequestCancelled(Unanswered):
    """Somebody cancelled it."""


class StillOpen(Unanswered):
    """It goes on, and is waited for no longer."""


class SetupError(HangtagError):
    """The set-up is at fault; the message says what to do."""


class Damaged(SetupError):
    """A job's journal is damaged, or has another schema; the message names it."""


class BrokerRefuses(SetupError):
    """Redis does not let us in, or denies what we ask; the message says what to change."""


class UsageError(SetupError):
    """The command line is at fault; the message says what to type instead."""


class Exit(enum.IntEnum):
    """What the shell is told. A finished job run again repeats its first code."""

    OK = 0  #: every picture was classified
    SETUP = 1  #: the set-up is at fault; a job that was begun is intact
    USAGE = 2  #: the command line is at fault, or names no picture
    SOME_FAILED = 3  #: finished, with rows that have no label, or folders without rows
    BUDGET = 4  #: more failures than --max-failures allows
    CANCELLED = 5  #: the job was cancelled
    NOT_PROVEN = 6  #: verify: the table is not proven to be complete and as it was written
    INTERRUPTED = 130  #: stopped by Ctrl-C, a signal or --timeout; the same command resumes
