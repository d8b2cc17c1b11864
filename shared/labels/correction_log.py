"""The corrections of a table: TABLE.corrections.jsonl, a log of lines (line_log.py)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shared import atomic_file
from shared.errors import BadMessage
from shared.labels import line_log
from shared.labels.class_folders import problem
from shared.labels.correction import Correction, decode, encode
from shared.labels.line_log import LineFollower

SUFFIX = ".corrections.jsonl"
#: Why a label is refused, as the end of a sentence; empty if it is not.
Rule = Callable[[str], str]


def log_path(table: Path) -> Path:
    """The log beside a table."""
    return table.with_name(table.name + SUFFIX)


def read(path: Path, rule: Rule = problem, size: int | None = None) -> list[Correction]:
    """Every decision in the first `size` bytes (None: all), oldest first; none without a log.

    Raises:
        SetupError: the log cannot be read, a line is damaged or of a newer version, or `rule`
            refuses a label.
    """
    return Follower(path, rule).new(size)


def complete_size(path: Path) -> int:
    """The size of all decisions so far, in bytes. Raises as `read`, but not for a label."""
    follower = Follower(path, lambda label: "")
    follower.new()
    return follower.size


class Follower(LineFollower[Correction]):
    """Reads a log that grows. A label that `rule` refuses is an error, unless it is excluded."""

    def __init__(self, path: Path, rule: Rule = problem) -> None:
        def check(correction: Correction) -> None:
            why = rule(correction.label) if correction.label and not correction.undo else ""
            if why:
                raise BadMessage(f"the label {correction.label!r:.80} {why}")

        super().__init__(path, decode, check)


def append(path: Path, corrections: list[Correction]) -> None:
    """Write decisions durably: all of them, or after an error none.

    Raises:
        SetupError: they cannot be written; the log is unchanged.
    """
    with (
        atomic_file.writing(path, "make room or check its permissions, and decide again"),
        line_log.locked(path) as file,
    ):
        line_log.append_to(file, path, map(encode, corrections), decode)
