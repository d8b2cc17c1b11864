"""Which decision holds for which row of a table.

A row follows the last line with the size and CRC-32 of its file. Where several images have both, it
follows the last line that has its path, or else names its number, or else the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from shared.labels.label_line import Content, LabelLine
from shared.labels.labels_so_far import LabelsSoFar


class RowLabels:
    """The decisions of a file; lines are added in its order."""

    def __init__(self, lines: Iterable[LabelLine] = ()) -> None:
        self.so_far = LabelsSoFar()
        self.lines: dict[Content, list[LabelLine]] = {}  #: about images
        for line in lines:
            self.add(line)

    def add(self, line: LabelLine) -> None:
        """Add the next line."""
        self.so_far.add(line)
        if line.sha256:
            self.lines.setdefault(line.content, []).append(line)

    def sha256(self, content: Content, row: int, path: Callable[[], str]) -> str:
        """The image that a row follows, counted from 1, whose file has this content; empty: none.
        `path` reads the path of the row, and is seldom called."""
        lines = self.lines.get(content)
        if not lines:
            return ""
        last = lines[-1]
        if all(line.sha256 == last.sha256 for line in lines):
            return last.sha256
        row_path, latest = path(), lines[::-1]
        of_path = next((line for line in latest if line.path == row_path), None)
        return (of_path or next((line for line in latest if row in line.rows), last)).sha256
