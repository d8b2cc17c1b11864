"""The decisions on a table's rows: saved in its log before anything reports them as saved.

The log is the truth. Other processes may append to it, so it is read again when it has grown.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import filterfalse, islice
from pathlib import Path

import msgspec

from producer.locations.row_files import RowFiles
from producer.review.answer_arrays import Answers
from producer.rows.row import Row
from shared.errors import UsageError
from shared.image_status import Status
from shared.labels import correction_log
from shared.labels.class_folders import folded, folder_of, problem, problem_beside
from shared.labels.correction import Correction
from shared.labels.decided_rows import DecidedRows
from shared.messages.files import NO_DIGEST, printable

#: A page of a thousand labels cannot be used; a hostile client could add them without end.
MAX_LABELS = 1_000
#: Rows that may be copies of a decided one, and whose files are read to name them in the line.
MOST_COPIES = 100


class Refused(msgspec.Struct, frozen=True):
    """A row whose decision was not saved, and why."""

    row: int
    why: str


class Totals(msgspec.Struct, frozen=True):
    """What the decisions say so far."""

    decided: int  #: rows, copies included
    learned: int  #: of those, rows whose image the version has learned from: no evidence about it
    right: int  #: of the other decided rows, those whose label was confirmed
    #: The number of the others that should be right, by the confidence of each; None: nothing is
    #: promised of these rows (producer/summary/promise.py).
    expected: float | None
    #: An estimate for the whole table: decisions, and the confidence of all other rows. The share
    #: of `right` among the decided rows is no estimate of it, since doubtful rows come first.
    #: None as above.
    accuracy: float | None


class _Sums:
    """Sums over decided rows."""

    def __init__(self) -> None:
        self.rows, self.right, self.confidence = 0, 0, 0.0

    def add(self, sign: int, is_right: bool, confidence: float) -> None:
        """Add a row, or with a `sign` of -1 take it out."""
        self.rows += sign
        self.right += sign * is_right
        self.confidence += sign * confidence


class Decisions:
    """Decisions on the rows of `answers`; safe for several threads. `learned` are the SHA-256 of
    the images that the version has learned from."""

    def __init__(
        self,
        answers: Answers,
        output: Path,
        by: str,
        files: RowFiles,
        learned: Collection[str] = (),
    ) -> None:
        self._answers, self._output, self._by, self._files = answers, output, by, files
        self._learned = learned
        self.path = correction_log.log_path(output)
        self._deciding = threading.Lock()  #: held while files are read
        self._lock = threading.Lock()  #: of the fields below
        rule = problem_beside(answers.card.labels)
        self._log = correction_log.Follower(self.path, rule)
        self._decided = DecidedRows()
        self._rows: dict[int, Correction] = {}  #: position -> decision with a label
        self._labels = list(answers.card.labels)
        self._confidence = math.fsum(answers.confidences)
        self._of_all, self._of_learned = _Sums(), _Sums()

    @property
    def unnumbered(self) -> int:
        """The number of lines of 0.2.0 so far, which have no checksum. Raises SetupError: the log
        is damaged."""
        with self._up_to_date():
            return self._log.unnumbered

    @property
    def labels(self) -> list[str]:
        """Those of the model, then those that people have added."""
        with self._up_to_date():
            return list(self._labels)

    def of(self, positions: Sequence[int]) -> list[str | None]:
        """The label that was decided for each of these rows; None if there is no decision."""
        with self._up_to_date():
            return [self._label(position) for position in positions]

    def excluded(self, positions: Sequence[int]) -> list[Sequence[str]]:
        """The labels that each of these rows does not have, as a person has said."""
        with self._up_to_date():
            decisions = map(self._decision, positions)
            return [tuple(filter(d.excludes, d.excluded)) if d else () for d in decisions]

    def count(self, chosen: Callable[[int], bool]) -> int:
        """The number of chosen rows with a decision."""
        with self._up_to_date():
            return sum(map(chosen, self._rows))

    def open_rows(self, order: Iterable[int], start: int, count: int) -> list[int]:
        """A part of those rows of `order` that have no decision."""
        with self._up_to_date():
            return list(islice(filterfalse(self._rows.__contains__, order), start, start + count))

    def totals(self) -> Totals:
        """What is decided in the whole table."""
        with self._up_to_date():
            every, learned = self._of_all, self._of_learned
            others = self._confidence - every.confidence
            return Totals(
                every.rows,
                learned.rows,
                every.right - learned.right,
                every.confidence - learned.confidence,
                (every.right + others) / len(self._answers),
            )

    def decide(
        self, labels: Mapping[int, str | None]
    ) -> tuple[list[Refused], dict[int, str | None]]:
        """Save the label of each of these rows, or with None that there is no decision any more.
        Their files are read. Of two rows with equal files the later one decides.

        Returns what is refused, and the labels of these rows and their copies as they are now.

        Raises:
            UsageError: a label cannot be used.
            SetupError: the decisions cannot be saved.
        """
        with self._deciding:
            with self._up_to_date():
                for label in set(labels.values()):
                    self._check(label)
                made = self._taken_back(at for at, label in labels.items() if label is None)
                before = {at: self._decision(at) for at in labels}
            given = {at: label for at, label in labels.items() if label is not None}
            refused, others = self._made(given, before)
            made |= others
            lines = {made[at].sha256: made[at] for at in labels if at in made}
            if lines:
                correction_log.append(self.path, list(lines.values()))
            with self._up_to_date():
                contents = {line.content for line in lines.values()}
                changed = {at for content in contents for at in self._answers.same_content(content)}
                return refused, {at: self._label(at) for at in sorted(changed)}

    def _taken_back(self, positions: Iterable[int]) -> dict[int, Correction]:
        """A line for each of these rows that has a label of a person."""
        return {
            at: msgspec.structs.replace(self._rows[at], by=self._by, at=_now(), undo=True)
            for at in positions
            if at in self._rows
        }

    def _made(
        self, labels: Mapping[int, str], before: Mapping[int, Correction | None]
    ) -> tuple[list[Refused], dict[int, Correction]]:
        """The rows whose files cannot be used; for each of the others a line, which names rows with
        the same bytes, and keeps the labels that are excluded."""
        refused: list[Refused] = []
        lines: dict[int, Correction] = {}
        rows: dict[str, list[int]] = {}
        positions = list(labels)
        for at, row in zip(positions, self._answers.read(positions), strict=True):
            sha256 = self._sha256(row)
            if isinstance(sha256, Refused):
                refused.append(sha256)
                continue
            if sha256 not in rows:
                rows[sha256] = self._copies(at, sha256)
            line, known = self._line(row, at, labels[at], sha256, rows[sha256]), before[at]
            lines[at] = msgspec.structs.replace(line, excluded=known.excluded if known else ())
        return refused, lines

    def _copies(self, position: int, sha256: str) -> list[int]:
        """The numbers of the first rows with these bytes."""
        content = self._answers.content(position)
        some = sorted(islice(self._answers.same_content(content), MOST_COPIES))
        return [row.number for row in self._answers.read(some) if self._sha256(row) == sha256]

    def _line(
        self, row: Row, position: int, label: str, sha256: str, rows: list[int]
    ) -> Correction:
        content = self._answers.content(position)
        return Correction(
            sha256=sha256,
            path=printable(row.name),
            row=row.number,
            guess=self._answers.card.labels[row.label],
            label=label,
            by=self._by,
            size=content.size,
            crc32=content.digest[::-1].hex(),
            at=_now(),
            rows=rows,
        )

    def content(self, row: Row) -> bytes | Status:
        """The bytes of a row's file, if they are those that were classified."""
        return self._files.classified(row.name, row.stamp, row.digest)

    def _sha256(self, row: Row) -> str | Refused:
        if row.digest in (b"", NO_DIGEST):
            return Refused(row.number, "the job has no checksum of this file; classify it again")
        sha256 = self._files.sha256(row.name, row.stamp, row.digest)
        if isinstance(sha256, Status):
            path = printable(self._files.path(row.name) or row.name)
            return Refused(row.number, f"{path}: {sha256.sentence}")
        return sha256

    def _check(self, label: str | None) -> None:
        if label is None or label in self._labels:
            return
        if why := problem(label):
            raise UsageError(f"the label {label!r:.80} {why}")
        near = [
            known for known in self._labels if folded(folder_of(known)) == folded(folder_of(label))
        ]
        if near:
            raise UsageError(f"the label {label!r:.80} has the folder of {near[0]!r}; use that one")
        if len(self._labels) >= MAX_LABELS:
            raise UsageError(f"there are {MAX_LABELS:,} labels; use one of them")

    @contextmanager
    def _up_to_date(self) -> Iterator[None]:
        """The lock of the fields, which have every decision of the log."""
        with self._lock:
            self._refresh()
            yield

    def _refresh(self) -> None:
        for line in self._log.new():
            if line.label and line.label not in self._labels and not line.undo:
                self._labels.append(line.label)
            self._decided.add(line)
            for position in self._answers.same_content(line.content):
                self._set(position, self._decision(position))

    def _decision(self, position: int) -> Correction | None:
        """The decision that holds for a row."""

        def path() -> str:
            return printable(self._answers.read([position])[0].name)

        content = self._answers.content(position)
        return self._decided.of(content, self._answers.rows[position], path)

    def _label(self, position: int) -> str | None:
        decision = self._rows.get(position)
        return None if decision is None else decision.label

    def _set(self, position: int, decision: Correction | None) -> None:
        """Note the decision about one row, and keep the sums."""
        if position in self._rows:
            self._count(-1, position, self._rows.pop(position))
        if decision is not None and decision.label:
            self._rows[position] = decision
            self._count(1, position, decision)

    def _count(self, sign: int, position: int, decision: Correction) -> None:
        guess = self._answers.card.labels[self._answers.labels[position]]
        row = sign, decision.label == guess, self._answers.confidences[position]
        self._of_all.add(*row)
        if decision.sha256 in self._learned:
            self._of_learned.add(*row)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
