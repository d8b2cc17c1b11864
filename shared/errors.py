"""The errors of Hangtag, by who must act, and the exit codes of the `hangtag` command.

HangtagError
├── ImageError         one image: it becomes a row with a status, the others continue
├── Unavailable        temporary: wait and retry
│   └── BrokerAway         Redis is unreachable
├── Unseen             files that a worker cannot open itself: their bytes are sent instead
├── BadMessage         an invalid payload: rejected, logged, never executed
├── Unanswered         a request without an answer, which is not an error
│   ├── RequestCancelled   it was cancelled
│   └── StillOpen          it is in progress, and the wait for it has ended
├── Stopped            the caller has stopped the work; a started job can be resumed
└── SetupError         the set-up: stop, the message names the fix
    ├── Damaged            a job's journal that cannot be read
    ├── NoCredentials      a bucket's server is not asked without them
    ├── BrokerRefuses      Redis denies access or a command; retried while a password changes
    │   └── ForeignKey         a key in Redis is not Hangtag's
    └── UsageError         the command line: exit code 2
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from shared.image_status import Status

#: Names that are listed, and alternatives that are proposed, at most.
_LISTED, _PROPOSED = 8, 3
_NAME_CHARS = 80
Row = TypeVar("Row")

#: What msgspec raises for invalid bytes, including text that is not UTF-8 and unbounded nesting.
MISFITS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


#: The name of TensorFlow's exception for a lack of memory, which must not be imported here.
_OUT_OF_MEMORY = "ResourceExhaustedError"


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python, NumPy or TensorFlow could not allocate memory."""
    return isinstance(error, MemoryError) or type(error).__name__ == _OUT_OF_MEMORY


def is_foreign(error: BaseException | None) -> bool:
    """Whether the server has refused a command since a key has another type."""
    return "WRONGTYPE" in str(error)


def is_fault_of_machine(error: Exception) -> bool:
    """Whether the machine is at fault, for example its full disk, and not the work."""
    return isinstance(error, OSError) or is_out_of_memory(error)


#: Limits for a text that may quote foreign input: its head, and its tail with the fix.
HEAD_CHARS, TAIL_CHARS = 250, 200


def bounded(text: str) -> str:
    """One printable line of bounded length; a longer text loses its middle."""
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        text = f"{text[:HEAD_CHARS]} ... {text[-TAIL_CHARS:]}"
    return "".join(c if c.isprintable() else "?" for c in text)


class HangtagError(Exception):
    """Base of every error that Hangtag raises on purpose. Its text is one readable line."""


class ImageError(HangtagError):
    """One image that cannot be classified; `status` is the stable code of its row."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.sentence)
        self.status = status


class Unavailable(HangtagError):
    """Something outside this process is temporarily unavailable; the caller waits and retries."""


class BrokerAway(Unavailable):
    """Redis is unreachable."""


class BadMessage(HangtagError):
    """A message or record that does not have the agreed form.

    Its text may quote foreign input, so it is one line of bounded length.
    """

    def __init__(self, text: str) -> None:
        super().__init__(bounded(text))


class Unseen(HangtagError):
    """Files that a worker cannot open, or that differ from what the producer saw.

    Its text names a file, so it is one line of bounded length.
    """

    def __init__(self, text: str) -> None:
        super().__init__(bounded(text))


class Unanswered(HangtagError):
    """A request has no answer, which is not an error."""


class RequestCancelled(Unanswered):
    """The request was cancelled."""


class StillOpen(Unanswered):
    """The request is in progress, and the wait for it has ended."""


class Stopped(HangtagError):
    """The caller has stopped the work, before it had a result; a started job can be resumed.
    `remedy` is how to go on, if that was reported."""

    def __init__(self, remedy: str = "") -> None:
        super().__init__("interrupted")
        self.remedy = remedy


class SetupError(HangtagError):
    """The set-up is at fault; the message names the fix."""


class Damaged(SetupError):
    """A job's journal is damaged, or has another schema; the message names it."""


class NoCredentials(SetupError):
    """There are no credentials for a bucket; the message says what to set."""


class BrokerRefuses(SetupError):
    """Redis denies access or a command; the message says what to change."""


class ForeignKey(BrokerRefuses):
    """A key in Redis has a type that Hangtag never writes: another client has overwritten it."""

    def __init__(self, key: str) -> None:
        """`key` may end with a star: one of the keys that begin like this."""
        super().__init__(f"the key {key!r:.120} in Redis is not Hangtag's; delete it")


class UsageError(SetupError):
    """The command line is at fault; the message says what to type instead."""


class Exit(enum.IntEnum):
    """The exit codes. A finished job that is run again repeats its first code."""

    OK = 0  #: every image was classified
    SETUP = 1  #: the set-up is at fault; a job that was started is intact
    USAGE = 2  #: the command line is at fault, or names no image
    #: Finished, with rows that have no label, folders without rows, or images that were not sorted.
    SOME_FAILED = 3
    BUDGET = 4  #: more failures than --max-failures allows
    CANCELLED = 5  #: the job was cancelled
    NOT_PROVEN = 6  #: verify, report: the table is not proven to be complete, as it was written
    INTERRUPTED = 130  #: stopped by Ctrl-C, a signal or --timeout; jobs can be resumed


#: The codes of a job that has a row for each file.
COMPLETE = (Exit.OK, Exit.SOME_FAILED)


def first_names(names: Sequence[str], most: int = 5) -> str:
    """`cat, dog and 3 more`."""
    more = len(names) - most
    if more <= 1:  # its name is not longer
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {more} more"


def no_such(kind: str, name: str, known: Iterable[str], see: str, listed: bool = True) -> str:
    """`there is no model fashon; did you mean fashion-mnist? see: hangtag models list`.

    Without a similar name the known ones are listed, if `listed`. `see` is a command that lists
    all.
    """
    names = list(dict.fromkeys(known))
    similar = _similar(name, names)
    if similar:
        hint = f"did you mean {' or '.join(similar)}? "
    elif names and listed:
        hint = f"there is: {first_names(names, _LISTED)}; "
    else:
        hint = ""
    return f"there is no {kind} {_displayed_name(name)}; {hint}see: {see}"


def row_named(table: Mapping[str, Row], kind: str, name: str, see: str) -> Row:
    """The row of a table by its name.

    Raises:
        SetupError: there is none; the line is that of `no_such`.
    """
    if name not in table:
        raise SetupError(no_such(kind, name, table, see))
    return table[name]


def no_model(name: str, known: Iterable[str]) -> str:
    """The sentence for a model."""
    return no_such("model", name, known, "hangtag models list")


def no_version(
    model: str, which: int | str, versions: Iterable[int], aliases: Iterable[str]
) -> str:
    """The sentence for a version of a model by its number, or for an alias."""
    see = f"hangtag models list {model}"
    if isinstance(which, int):
        return no_such("version", f"{model}@{which}", (f"{model}@{n}" for n in versions), see)
    names = (f"{model}@{alias}" for alias in sorted(aliases))
    return no_such("alias", f"{model}@{which}", names, see)


def _similar(name: str, known: list[str]) -> list[str]:
    from difflib import get_close_matches  # slow to import, and only errors need it

    which = name.rpartition("@")[2]
    if which.isdigit():
        return []  # another number is another version, not a misspelled one
    ends = {full.rpartition("@")[2]: full for full in known}
    return [ends[end] for end in get_close_matches(which, ends, _PROPOSED)]


def _displayed_name(name: str) -> str:
    text = name if name.isprintable() and name else repr(name)
    return text if len(text) <= _NAME_CHARS else f"{text[:_NAME_CHARS]}..."
