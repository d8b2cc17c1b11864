"""Which decision holds for which row of a table.

Lines are added in the order of the log. A row follows the last line with the size and CRC-32 of its
file. Where several pictures have both, it follows the last line that has its path, or else names
its number, or else the last one.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from shared.labels.correction import Content, Correction


class DecidedRows:
    """The decisions of a log."""

    def __init__(self) -> None:
        #: By SHA-256: a label, or with an empty one labels that the picture does not have.
        self.in_force: dict[str, Correction] = {}
        self._last: dict[str, Correction] = {}  #: line, by SHA-256
        self._lines: dict[Content, list[Correction]] = {}

    @property
    def taken_back(self) -> list[Correction]:
        """The last line of each picture whose label was taken back."""
        return [line for line in self._last.values() if line.undo]

    def last(self, sha256: str) -> Correction | None:
        """The last line about a picture, which may take a decision back."""
        return self._last.get(sha256)

    def add(self, line: Correction) -> None:
        """Add the next line."""
        self._last[line.sha256] = line
        self._lines.setdefault(line.content, []).append(line)
        self.in_force.pop(line.sha256, None)
        if not line.undo:
            self.in_force[line.sha256] = line
        elif line.excluded:
            self.in_force[line.sha256] = msgspec.structs.replace(line, label="", undo=False)

    def of(self, content: Content, row: int, path: Callable[[], str]) -> Correction | None:
        """The decision that holds for a row, counted from 1, whose file has this content. `path`
        reads the path of the row, and is seldom called."""
        lines = self._lines.get(content)
        return self.in_force.get(_followed(lines, row, path).sha256) if lines else None


def _followed(lines: list[Correction], row: int, path: Callable[[], str]) -> Correction:
    """The line that a row follows, of those with its size and CRC-32."""
    last = lines[-1]
    if all(line.sha256 == last.sha256 for line in lines):
        return last
    row_path, latest = path(), lines[::-1]
    of_path = next((line for line in latest if line.path == row_path), None)
    return of_path or next((line for line in latest if row in (line.rows or ())), last)
