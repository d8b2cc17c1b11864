"""The labels file of a folder of unsorted images: NAME.labels.jsonl, a log of lines.

One process has it at a time: two pages would show each other's images again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shared import atomic_file, file_lock
from shared.errors import SetupError, UsageError
from shared.labels import line_log
from shared.labels.given_label import LabelLine, check, decode, encode
from shared.labels.labels_so_far import LabelsSoFar
from shared.labels.line_log import LineFollower

SUFFIX = ".labels.jsonl"
#: For an option without a value; no file has an empty name.
DEFAULT = Path("")
_REMEDY = "make room or check its permissions, and decide again"


def default_path(folder: str) -> Path:
    """The labels file of a folder, in the current folder."""
    return Path(os.path.basename(os.path.abspath(folder)) + SUFFIX)


def chosen(typed: Path, folder: str) -> Path:
    """The file that is named; DEFAULT is that of the folder."""
    return default_path(folder) if typed == DEFAULT else typed


def read(path: Path) -> LabelsSoFar:
    """What a file says; nothing if it is missing.

    Raises:
        SetupError: it cannot be read, or a line is damaged, refused or of a newer version.
    """
    so_far = LabelsSoFar()
    for line in LineFollower(path, decode, check).new():
        so_far.add(line)
    return so_far


class LabelsFile:
    """The open file; `so_far` is what it says.

    Raises:
        UsageError: another process has it.
        SetupError: it cannot be written, or as `read`.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.so_far = path, LabelsSoFar()
        self._is_held = False
        with atomic_file.writing(path, "name another file, or check its permissions"):
            self._file = line_log.open_to_append(path)
        try:
            if not file_lock.try_acquire(self._file):
                raise UsageError(
                    f"{path} is in use by another hangtag label; go on there, or end it first"
                )
            self._is_held = True
            self._follower = LineFollower(path, decode, check)
            self._read()
        except BaseException:
            self.close()
            raise

    @property
    def unnumbered(self) -> int:
        """The number of lines of 0.2.0, which have no checksum."""
        return self._follower.unnumbered

    def close(self) -> None:
        """Let another process have it. Without a line it is removed."""
        try:
            if self._is_held:
                self._remove_empty()
        finally:
            os.close(self._file)

    def _remove_empty(self) -> None:
        with suppress(OSError):  # then the empty file stays
            if os.fstat(self._file).st_size == 0 and not file_lock.lost(self.path, self._file):
                self.path.unlink()

    def append(self, lines: Sequence[LabelLine]) -> None:
        """Write lines durably: all of them, or after an error none.

        Raises:
            SetupError: they cannot be written, or the file was removed or changed beside this
                process; it is as it was.
        """
        self._read()
        with atomic_file.writing(self.path, _REMEDY):
            self._check_place()
            line_log.append_to(self._file, self.path, map(encode, lines), decode)
        self._read()

    def _read(self) -> None:
        for line in self._follower.new():
            self.so_far.add(line)

    def _check_place(self) -> None:
        """Check that the name is still that of the open file: lines in another would be lost."""
        if file_lock.lost(self.path, self._file):
            raise SetupError(
                f"{self.path} was removed or replaced by another file; put it back, or start the "
                "command again to go on with what it has now"
            )
