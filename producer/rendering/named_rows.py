"""Names the rows of decisions again, after a job has got other rows: their files are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.journal.batch_reader import BatchReader
from shared.image_status import Status
from shared.labels import correction_log
from shared.labels.class_folders import problem_beside
from shared.labels.correction import Content, Correction
from shared.labels.decided_rows import DecidedRows
from shared.messages.files import Stamp

#: The SHA-256 of a row's file, if it is the one that was classified: of its path in the table, its
#: stamp and its CRC-32.
Hash = Callable[[bytes, Stamp, bytes], str | Status]


def name_rows(
    output: Path,
    journal: BatchReader,
    labels: Sequence[str],
    sha256_of: Hash,
    passed: Callable[[int], None] = lambda rows: None,
) -> int:
    """Append a line for each decision that holds for other rows of the journal than its line says.
    `labels` are those of the job's model. `passed` gets the number of rows that were compared, as
    they are. Returns the size of the log that was read.

    A row whose file cannot be read follows its decision as before.

    Raises:
        SetupError: the log cannot be read or written, or is damaged.
    """
    log = correction_log.log_path(output)
    follower, decided = correction_log.Follower(log, problem_beside(labels)), DecidedRows()
    for line in follower.new():
        decided.add(line)
    if decided.in_force:
        candidates = _Candidates(decided, _rows(journal, decided, passed), sha256_of)
        renamed = map(candidates.renamed, decided.in_force.values())
        lines = [decision for decision in renamed if decision is not None]
        if lines:
            correction_log.append(log, lines, follower.size)
    return follower.size


class _Row(NamedTuple):
    number: int
    name: bytes
    stamp: Stamp
    content: Content


class _Candidates:
    """The rows with the size and CRC-32 of a decision in force."""

    def __init__(self, decided: DecidedRows, rows: Iterable[_Row], sha256_of: Hash) -> None:
        self._same: dict[str, set[int]] = {}  #: by SHA-256
        self._unread: dict[Content, set[int]] = {}
        self._before: dict[str, set[int]] = {}  #: rows that each decision holds for
        for row, name, stamp, content in rows:
            decision = decided.of(content, row)
            if decision is not None:
                self._before.setdefault(decision.sha256, set()).add(row)
            sha256 = sha256_of(name, stamp, content.digest)
            if isinstance(sha256, Status):
                self._unread.setdefault(content, set()).add(row)
            else:
                self._same.setdefault(sha256, set()).add(row)

    def renamed(self, decision: Correction) -> Correction | None:
        """The decision with the rows that it holds for now; None if its line says so, or if it is
        of an older version and a file cannot be compared."""
        before = self._before.get(decision.sha256, set())
        unread = self._unread.get(decision.content, set()) & before
        rows = self._same.get(decision.sha256, set()) | unread
        is_unproven = decision.rows is None
        if (is_unproven and unread) or (rows == before and not (is_unproven and rows)):
            return None
        return msgspec.structs.replace(decision, rows=sorted(rows))


def _rows(
    journal: BatchReader, decided: DecidedRows, passed: Callable[[int], None]
) -> Iterator[_Row]:
    """The labelled rows with the contents of decisions."""
    wanted = {known.content for known in decided.in_force.values()}
    for batch in journal.row_batches():
        if not wanted.isdisjoint(batch.contents):
            for i, content in enumerate(batch.contents):
                if content in wanted and batch.statuses[i] == Status.OK.code:
                    yield _Row(batch.first + i, batch.names[i], batch.stamps[i], content)
        passed(len(batch))
