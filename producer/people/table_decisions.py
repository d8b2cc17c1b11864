"""The decisions on a table's rows: saved in its log before anything reports them as saved.

The log is the truth. Other processes may append to it, so it is read again when it has grown.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import filterfalse, islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.locations.row_files import RowFiles
from producer.people.answer_arrays import Answers
from producer.rows.row_batch import Row
from shared.image_status import Status
from shared.labels import labels_file
from shared.labels.class_folders import problem_beside
from shared.labels.label_line import LabelLine, utc_now
from shared.labels.label_names import check_labels
from shared.labels.labels_file import LabelsFile
from shared.messages.files import NO_DIGEST, printable

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


class _Row(NamedTuple):
    """A row with a label of a person."""

    label: str
    sha256: str


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
        self._answers, self._by, self._files = answers, by, files
        self._learned = learned
        self.path = labels_file.of_table(output)
        self._deciding = threading.Lock()  #: held while files are read
        self._lock = threading.Lock()  #: of the fields below
        self._file: LabelsFile | None = None
        self._rows: dict[int, _Row] = {}  #: by position
        self._labels = list(answers.card.labels)
        self._confidence = math.fsum(answers.confidences)
        self._of_all, self._of_learned = _Sums(), _Sums()

    @property
    def unnumbered(self) -> int:
        """The number of lines of 0.2.0 so far, which have no checksum. Raises SetupError: the log
        is damaged."""
        with self._up_to_date() as file:
            return file.unnumbered

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
        with self._up_to_date() as file:
            return [file.so_far.excluded(self._sha256_of(file, at)) for at in positions]

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
            given = {at: label for at, label in labels.items() if label is not None}
            with self._up_to_date() as file:
                check_labels(set(given.values()), self._labels)
                made = self._taken_back(file, (at for at in labels if at not in given))
            refused, others = self._made(given)
            made |= others
            lines = {made[at].sha256: made[at] for at in labels if at in made}
            if lines:
                file.append(list(lines.values()))
            with self._up_to_date():
                contents = {line.content for line in lines.values()}
                changed = {at for content in contents for at in self._answers.same_content(content)}
                return refused, {at: self._label(at) for at in sorted(changed)}

    def _taken_back(self, file: LabelsFile, positions: Iterable[int]) -> dict[int, LabelLine]:
        """A line for each of these rows that has a label of a person."""
        rows = {at: self._rows[at] for at in positions if at in self._rows}
        lines = ((at, file.so_far.last(row.sha256)) for at, row in rows.items())
        return {
            at: msgspec.structs.replace(line, by=self._by, at=utc_now(), undo=True)
            for at, line in lines
            if line is not None
        }

    def _made(self, labels: Mapping[int, str]) -> tuple[list[Refused], dict[int, LabelLine]]:
        """The rows whose files cannot be used; for each of the others a line, which names rows with
        the same bytes."""
        refused: list[Refused] = []
        lines: dict[int, LabelLine] = {}
        rows: dict[str, tuple[int, ...]] = {}
        positions = list(labels)
        for at, row in zip(positions, self._answers.read(positions), strict=True):
            sha256 = self._sha256(row)
            if isinstance(sha256, Refused):
                refused.append(sha256)
                continue
            if sha256 not in rows:
                rows[sha256] = self._copies(at, sha256)
            lines[at] = self._line(row, at, labels[at], sha256, rows[sha256])
        return refused, lines

    def _copies(self, position: int, sha256: str) -> tuple[int, ...]:
        """The numbers of the first rows with these bytes."""
        content = self._answers.content(position)
        some = sorted(islice(self._answers.same_content(content), MOST_COPIES))
        rows = self._answers.read(some)
        return tuple(row.number for row in rows if self._sha256(row) == sha256)

    def _line(
        self, row: Row, position: int, label: str, sha256: str, rows: tuple[int, ...]
    ) -> LabelLine:
        content = self._answers.content(position)
        return LabelLine(
            sha256=sha256, size=content.size, crc32=content.digest[::-1].hex(),
            path=printable(row.name), rows=rows, kind="label", label=label,
            guess=self._answers.card.labels[row.label], by=self._by, at=utc_now(),
        )  # fmt: skip

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

    @contextmanager
    def _up_to_date(self) -> Iterator[LabelsFile]:
        """The file, with the lock of the fields, which have every line of it."""
        with self._lock:
            if self._file is None:
                rule = problem_beside(self._answers.card.labels)
                self._file = LabelsFile(self.path, rule, held=False)
                lines = [line for some in self._file.rows.lines.values() for line in some]
            else:
                lines = self._file.refresh()
            self._note(self._file, lines)
            yield self._file

    def _note(self, file: LabelsFile, lines: Sequence[LabelLine]) -> None:
        """Note new lines of the file."""
        for line in lines:
            if line.kind == "label" and not line.undo and line.label not in self._labels:
                self._labels.append(line.label)
        is_of_images = all(line.sha256 for line in lines)
        for content in {line.content for line in lines} if is_of_images else file.rows.lines:
            for position in self._answers.same_content(content):
                sha256 = self._sha256_of(file, position)
                decided = file.so_far.of(sha256)
                self._set(position, _Row(decided.label, sha256) if decided else None)

    def _sha256_of(self, file: LabelsFile, position: int) -> str:
        """The image that a row follows; empty: none."""

        def path() -> str:
            return printable(self._answers.read([position])[0].name)

        content = self._answers.content(position)
        return file.rows.sha256(content, self._answers.rows[position], path)

    def _label(self, position: int) -> str | None:
        row = self._rows.get(position)
        return None if row is None else row.label

    def _set(self, position: int, row: _Row | None) -> None:
        """Note the decision about one row, and keep the sums."""
        if position in self._rows:
            self._count(-1, position, self._rows.pop(position))
        if row is not None and row.label:
            self._rows[position] = row
            self._count(1, position, row)

    def _count(self, sign: int, position: int, row: _Row) -> None:
        guess = self._answers.card.labels[self._answers.labels[position]]
        sums = sign, row.label == guess, self._answers.confidences[position]
        self._of_all.add(*sums)
        if row.sha256 in self._learned:
            self._of_learned.add(*sums)
