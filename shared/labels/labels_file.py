"""A file of decisions: NAME.labels.jsonl of a folder, TABLE.corrections.jsonl beside a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from shared import atomic_file, file_lock, regular_file
from shared.errors import BadMessage, SetupError, UsageError
from shared.labels import line_log
from shared.labels.class_folders import problem
from shared.labels.label_line import LabelLine, decode, encode
from shared.labels.labels_so_far import RowLabels
from shared.labels.line_log import LineFollower

SUFFIX, TABLE_SUFFIX = ".labels.jsonl", ".corrections.jsonl"
#: For an option without a value; no file has an empty name.
DEFAULT = Path("")
_REMEDY = "make room or check its permissions, and decide again"
#: Why a label is refused, as the end of a sentence; empty if it is not.
Rule = Callable[[str], str]


def default_path(folder: str) -> Path:
    """The labels file of a folder, in the current folder."""
    return Path(os.path.basename(os.path.abspath(folder)) + SUFFIX)


def chosen(typed: Path, folder: str) -> Path:
    """The file that is named; DEFAULT is that of the folder."""
    return default_path(folder) if typed == DEFAULT else typed


def of_table(table: Path) -> Path:
    """The file beside a table."""
    return table.with_name(table.name + TABLE_SUFFIX)


def read(path: Path, rule: Rule = problem, size: int | None = None) -> RowLabels:
    """What the first `size` bytes of a file say (None: all); nothing if it is missing. A label that
    `rule` refuses is an error, unless an image does not have it.

    Raises:
        SetupError: it cannot be read, or a line is damaged, refused or of a newer version.
    """
    return RowLabels(_follower(path, rule).new(size))


def complete_size(path: Path) -> int:
    """The size of all decisions so far, in bytes. Raises as `read`, but not for a label."""
    follower = _follower(path, lambda label: "")
    follower.new()
    return follower.size


def _follower(path: Path, rule: Rule) -> LineFollower[LabelLine]:
    def check(line: LabelLine) -> None:
        if not line.label or line.undo or line.kind in ("not-this", "folder"):
            return
        if why := rule(line.label):
            raise BadMessage(f"the label {line.label!r:.80} {why}")

    return LineFollower(path, decode, check)


class LabelsFile:
    """A file that grows, also by other processes. `held`: by this process only, since two pages of
    a folder would show each other's images again.

    Raises:
        UsageError: another process holds it.
        SetupError: it cannot be written, or as `read`.
    """

    def __init__(self, path: Path, rule: Rule = problem, *, held: bool = True) -> None:
        self.path, self.rows = path, RowLabels()
        self.so_far = self.rows.so_far
        self._follower = _follower(path, rule)
        self._held = _held(path) if held else None
        try:
            self.refresh()
        except BaseException:
            self.close()
            raise

    @property
    def unnumbered(self) -> int:
        """The number of lines of 0.2.0, which have no checksum."""
        return self._follower.unnumbered

    def close(self) -> None:
        """Let another process hold it. Without a line it is removed."""
        if self._held is None:
            return
        try:
            with suppress(OSError):  # then the empty file stays
                if not os.fstat(self._held).st_size and not file_lock.lost(self.path, self._held):
                    self.path.unlink()
        finally:
            os.close(self._held)

    def refresh(self) -> list[LabelLine]:
        """Read the lines that there are since the last time. Raises as `read`."""
        lines = self._follower.new()
        self.rows.add(lines)
        return lines

    def append(self, lines: Sequence[LabelLine]) -> None:
        """Write lines durably: all of them, or after an error none. What a held file says has them.

        Raises:
            SetupError: they cannot be written, or a file that is held was removed or changed beside
                this process; it is as it was.
        """
        if self._held is not None:
            self.refresh()
        with atomic_file.writing(self.path, _REMEDY), self._locked() as file:
            line_log.append_to(file, self.path, map(encode, lines), decode)
        if self._held is not None:
            self.refresh()

    @contextmanager
    def _locked(self) -> Iterator[int]:
        if self._held is None:
            with file_lock.locked(self.path) as file:
                yield file
            return
        if file_lock.lost(self.path, self._held):  # lines in another file would be lost
            raise SetupError(
                f"{self.path} was removed or replaced by another file; put it back, or start the "
                "command again to go on with what it has now"
            )
        yield self._held


def _held(path: Path) -> int:
    with atomic_file.writing(path, "name another file, or check its permissions"):
        file = regular_file.open_to_append(path)
    if file_lock.try_acquire(file):
        return file
    os.close(file)
    raise UsageError(f"{path} is in use by another hangtag label; go on there, or end it first")
