"""Which decision holds for which row of a table.

Lines are added in the order of the log. A row follows the last line that names it, as long as the
job has the size and CRC-32 of the line. When that decision is taken back, the row has none,
also if an earlier line names it. A row that no line has named follows the last line without `rows`
of its size and CRC-32, which older versions wrote.
"""

from __future__ import annotations

import msgspec

from shared.labels.correction import Content, Correction


class DecidedRows:
    """The decisions of a log."""

    def __init__(self) -> None:
        #: By SHA-256: a label, or with an empty one labels that the picture does not have.
        self.in_force: dict[str, Correction] = {}
        self._last: dict[str, Correction] = {}  #: line, by SHA-256
        self._named: dict[Content, dict[int, str]] = {}  #: row -> SHA-256
        self._unnamed: dict[Content, str] = {}  #: SHA-256 of the last line without rows

    @property
    def unproven(self) -> int:
        """The number of decisions in force without rows."""
        return sum(decision.rows is None for decision in self.in_force.values())

    @property
    def taken_back(self) -> list[Correction]:
        """The last line of each picture whose label was taken back."""
        return [line for line in self._last.values() if line.undo]

    def last(self, sha256: str) -> Correction | None:
        """The last line about a picture, which may take a decision back."""
        return self._last.get(sha256)

    def add(self, line: Correction) -> set[Content]:
        """Add the next line; returns the contents of the rows that it may have changed."""
        before = self._last.get(line.sha256)
        if before is not None:
            self._release(before)
        self._last[line.sha256] = line
        self.in_force.pop(line.sha256, None)
        if not line.undo:
            self.in_force[line.sha256] = line
        elif line.excluded:
            self.in_force[line.sha256] = msgspec.structs.replace(line, label="", undo=False)
        if line.rows is None:
            self._unnamed[line.content] = line.sha256
        else:
            named = self._named.setdefault(line.content, {})
            named |= dict.fromkeys(line.rows, line.sha256)
        return {line.content} if before is None else {line.content, before.content}

    def of(self, content: Content, row: int) -> Correction | None:
        """The decision that holds for a row, counted from 1, whose file has this content."""
        sha256 = self._named.get(content, {}).get(row)
        is_named = sha256 is not None
        decision = self.in_force.get(sha256 or self._unnamed.get(content, ""))
        if decision is None or decision.content != content:
            return None
        return decision if is_named or decision.rows is None else None

    def _release(self, line: Correction) -> None:
        """Forget the rows of a line: the next one of the same picture names them again."""
        named = self._named.get(line.content, {})
        for row in line.rows or ():
            if named.get(row) == line.sha256:
                del named[row]
