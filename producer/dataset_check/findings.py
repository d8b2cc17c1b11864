"""What a dataset check found, from the rows of its answer, for the terminal and the page."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Sequence

from producer.rows.row_batch import RowBatch
from shared.image_status import BY_CODE, Status
from shared.messages.batch import BatchResult
from shared.messages.files import STAMP
from shared.messages.request_files import CheckedRows

#: How probable it must be that a label is wrong, for its image to be listed.
LISTED = 0.5


class Findings:
    """Rows are named by their index, in path order."""

    def __init__(self, rows: CheckedRows) -> None:
        self.rows, self.batch = rows, _batch(rows)
        self.guesses, self.confidences = self.batch.labels, self.batch.confidences

    @functools.cached_property
    def readable(self) -> list[int]:
        """Rows with an answer."""
        return [i for i, code in enumerate(self.rows.statuses) if code == Status.OK.code]

    @functools.cached_property
    def suspects(self) -> list[int]:
        """Rows whose label, by their folder or a correction, is more probably wrong than right; the
        most certain first."""
        rows = self.rows
        suspects = [i for i in self.disagreeing if rows.wrong[i] >= LISTED]
        return sorted(suspects, key=lambda i: (-rows.wrong[i], rows.paths[i]))

    @functools.cached_property
    def disagreeing(self) -> list[int]:
        """Rows that are more like another class, whether their label or the answer is wrong."""
        return [i for i in self.readable if self.guesses[i] != self.rows.labels[i]]

    @property
    def expected_wrong(self) -> float:
        """The share of the suspects whose label should be wrong; 0 without suspects."""
        values = [self.rows.wrong[i] for i in self.suspects]
        return sum(values) / max(len(values), 1)

    @functools.cached_property
    def outliers(self) -> list[int]:
        """Rows unlike all others, the least confident first."""
        flagged = [i for i in self.readable if self.rows.flags[i]]
        return sorted(flagged, key=lambda i: (self.confidences[i], i))

    @functools.cached_property
    def groups(self) -> list[list[int]]:
        """Groups of copies and near-duplicates: those in training and test data first, then
        those with several labels."""
        members = defaultdict[int, list[int]](list)
        for i, first in enumerate(self.rows.like):
            if first >= 0:
                members[self._root(first)].append(i)
        groups = [[first, *others] for first, others in members.items()]
        return sorted(groups, key=lambda g: (not self.crosses(g), not self.mixes(g), g[0]))

    def _root(self, row: int) -> int:
        first = self.rows.like[row]
        return row if first < 0 else self._root(first)

    def crosses(self, group: Sequence[int]) -> bool:
        """Whether an accuracy on the test data profits from what was learned by heart."""
        return len({self.rows.in_test[i] for i in group}) > 1

    def mixes(self, group: Sequence[int]) -> bool:
        """Whether one of its labels must be wrong."""
        return len({self.rows.labels[i] for i in group}) > 1

    def is_copy(self, row: int) -> bool:
        """Whether a row has the bytes of the row that it is like."""
        first = self.rows.like[row]
        return first >= 0 and self.batch.contents[row] == self.batch.contents[first]

    @functools.cached_property
    def copies(self) -> int:
        """Files with the bytes of an earlier one."""
        return sum(map(self.is_copy, range(len(self.rows.paths))))

    @functools.cached_property
    def near_duplicates(self) -> int:
        """Files that are nearly the same as an earlier one."""
        return sum(first >= 0 for first in self.rows.like) - self.copies

    @functools.cached_property
    def suspects_of(self) -> Counter[int]:
        """The number of suspects by the label of their folder."""
        return Counter(self.rows.labels[i] for i in self.suspects)

    def unreadable(self) -> list[tuple[Status, list[int]]]:
        """The rows of each status but `ok`."""
        rows_of = defaultdict[int, list[int]](list)
        for i, code in enumerate(self.rows.statuses):
            if code != Status.OK.code:
                rows_of[code].append(i)
        return [(BY_CODE[code], rows_of[code]) for code in sorted(rows_of)]


def _batch(rows: CheckedRows) -> RowBatch:
    """The answers out of fold, as the table of the check has them."""
    result = BatchResult(rows.k, rows.statuses, rows.indices, rows.probabilities, rows.flags)
    stamps = b"".join(STAMP.pack(*stamp) for stamp in rows.stamps)
    return RowBatch(b"\0".join(rows.paths), result, stamps=stamps, digests=rows.digests)
