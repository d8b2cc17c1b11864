"""Counts the entries that a walk skips, by reason, for the summary, the journal and `verify`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

#: Why an entry of a folder has no row. A file that is not selected is counted by its ending.
HIDDEN, LINK, SPECIAL = "hidden", "links", "special files"
UNREADABLE, VANISHED = "unreadable folders", "vanished folders"
PLURALS = {LINK, SPECIAL, UNREADABLE, VANISHED}
NO_ENDING, OTHER_ENDINGS = "without an ending", "with other endings"
#: Further endings are counted together: the number of different endings is unbounded.
ENDINGS_MAX = 20
ENDING_MAX_CHARS = 12
#: The property of a job that holds the counts up to its last frozen file, or all if it is finished.
SKIPPED = "skipped"
#: The property of a job that holds its unlisted folders. Only --restart deletes it, since no later
#: run adds the files that were skipped.
UNLISTED = "unlisted"

Counts = Mapping[str, int]


def one_more(counts: Counts, reason: str) -> Counts:
    """A new mapping: a batch that is being formed has a reference to the old one."""
    return {**counts, reason: counts.get(reason, 0) + 1}


def ending(name: bytes, counts: Counts) -> str:
    """The reason for a file that is not selected: its ending in lower case."""
    _, dot, last = name.rpartition(b".")
    if not dot or not last:
        return NO_ENDING
    kind = f".{last.decode(errors='replace').lower()}"
    if kind in counts:
        return kind
    known = sum(reason.startswith(".") for reason in counts)
    plain = kind.isascii() and kind.isprintable() and len(kind) <= ENDING_MAX_CHARS
    return kind if plain and known < ENDINGS_MAX else OTHER_ENDINGS


def listed(counts: Counts) -> str:
    """`12 .txt, 3 .heic, 1 link`; empty if there are none."""
    return ", ".join(_counted(count, reason) for reason, count in counts.items() if count)


def _counted(count: int, reason: str) -> str:
    singular = reason.removesuffix("s") if reason in PLURALS else reason
    return f"{count:,} {singular if count == 1 else reason}"


def passed_over(skipped: Counts, unlisted: Unlisted) -> dict[str, bytes]:
    """Properties to store with new batches: a walk that resumes after them does not count what is
    before them again."""
    values = {SKIPPED: msgspec.json.encode(skipped)} if skipped else {}
    return values | ({UNLISTED: msgspec.json.encode(unlisted)} if unlisted.count else {})


class Unlisted(msgspec.Struct, frozen=True):
    """The number of folders that could not be listed, and the first of them."""

    count: int = 0
    first: str = ""  #: its path and the reason, in one line

    def and_one(self, folder: str, why: str) -> Unlisted:
        """A copy with one more folder."""
        return Unlisted(self.count + 1, self.first or f"{folder} ({why})")
