"""The decisions about the rows of a table, and what they say of all of them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import filterfalse, islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.job.row_batch import Row
from producer.people.answer_arrays import Answers
from producer.people.decisions import Decisions
from producer.people.queue import Refused
from producer.sources.row_files import RowFiles
from shared.image_status import Status
from shared.labels import labels_file
from shared.labels.class_folders import check_labels, problem_beside
from shared.labels.label_line import Content, LabelLine, utc_now
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import LabelsSoFar
from shared.messages.files import NO_DIGEST, printable

#: Rows that may be copies of a decided one, and whose files are read to name them in the line.
MOST_COPIES = 100
#: The labels of rows by position; None: there is no decision.
Labels = dict[int, str | None]


class Totals(msgspec.Struct, frozen=True):
    """What the decisions say so far."""

    decided: int  #: rows, copies included
    learned: int  #: of those, rows whose image the version has learned from: no evidence about it
    right: int  #: of the other decided rows, those whose label was confirmed
    #: The number of the others that should be right, by the confidence of each; None: nothing is
    #: promised of these rows (producer/table/promise.py).
    expected: float | None
    #: An estimate for the whole table: decisions, and the confidence of all other rows. The share
    #: of `right` among the decided rows is no estimate of it, since doubtful rows come first.
    #: None as above.
    accuracy: float | None


class _Row(NamedTuple):
    """A row with a label of a person."""

    label: str
    sha256: str


class TableDecisions(Decisions):
    """Those about rows of `answers`, by position. `learned` are the SHA-256 of the images that the
    version has learned from. Other processes may decide about the table, too."""

    def __init__(
        self,
        answers: Answers,
        output: Path,
        by: str,
        files: RowFiles,
        learned: Collection[str] = (),
    ) -> None:
        known = answers.card.labels
        file = LabelsFile(labels_file.of_table(output), problem_beside(known), held=False)
        super().__init__(file, by, known)
        self._answers, self._files, self._learned = answers, files, learned
        self._deciding = threading.Lock()  #: held while files are read
        self._rows: dict[int, _Row] = {}  #: by position
        self._confidence = math.fsum(answers.confidences)
        self.note([line for some in file.rows.lines.values() for line in some])

    def of(self, positions: Sequence[int]) -> list[str | None]:
        """The label that was decided for each of these rows; None if there is no decision."""
        with self.up_to_date():
            return [self._label(position) for position in positions]

    def excluded(self, positions: Sequence[int]) -> list[Sequence[str]]:
        """The labels that each of these rows does not have, as a person has said."""
        with self.up_to_date() as so_far:
            return [so_far.excluded(self._sha256_of(at)) for at in positions]

    def count(self, chosen: Callable[[int], bool]) -> int:
        """The number of chosen rows with a decision."""
        with self.up_to_date():
            return sum(map(chosen, self._rows))

    def open_rows(self, order: Iterable[int], start: int, count: int) -> list[int]:
        """A part of those rows of `order` that have no decision."""
        with self.up_to_date():
            return list(islice(filterfalse(self._rows.__contains__, order), start, start + count))

    def totals(self) -> Totals:
        """What is decided in the whole table."""
        of_model, confidences = self._answers.card.labels, self._answers.confidences
        judged = right = learned_right = 0
        expected = of_learned = 0.0
        with self.up_to_date():
            for at, row in self._rows.items():
                is_right = row.label == of_model[self._answers.labels[at]]
                if row.sha256 in self._learned:
                    learned_right += is_right
                    of_learned += confidences[at]
                else:
                    judged += 1
                    right += is_right
                    expected += confidences[at]
            decided = len(self._rows)
        others = self._confidence - expected - of_learned
        accuracy = (right + learned_right + others) / len(self._answers)
        return Totals(decided, decided - judged, right, expected, accuracy)

    def decide(self, labels: Mapping[int, str | None]) -> tuple[list[Refused], Labels]:
        """Save the label of each of these rows, or with None that there is no decision any more.
        Their files are read. Of two rows with equal files the later one decides.

        Returns what is refused, and the labels of these rows and their copies as they are now.

        Raises:
            UsageError: a label cannot be used.
            SetupError: the decisions cannot be saved.
        """
        given = {at: label for at, label in labels.items() if label is not None}
        with self._deciding:
            check_labels(set(given.values()), self.labels)
            refused, made = self._made(given)
            lines = dict[str, LabelLine]()

            def of_rows(so_far: LabelsSoFar) -> list[LabelLine]:
                for at in labels:
                    line = made.get(at) if at in given else self._row_taken_back(so_far, at)
                    if line is not None:
                        lines.pop(line.sha256, None)
                        lines[line.sha256] = line
                return list(lines.values())

            self.save(of_rows)
            return refused, self._now(line.content for line in lines.values())

    def undo_rows(self) -> Labels | None:
        """`undo`, with the labels as of `decide`."""
        with self.up_to_date() as so_far:
            taken = self.undo()
            lines = filter(None, map(so_far.line, taken or ()))
            return None if taken is None else self._now(line.content for line in lines)

    def _now(self, contents: Iterable[Content]) -> Labels:
        """The labels of the rows that have these contents."""
        with self.up_to_date():
            every = {at for content in contents for at in self._answers.same_content(content)}
            return {at: self._label(at) for at in sorted(every)}

    def _row_taken_back(self, so_far: LabelsSoFar, position: int) -> LabelLine | None:
        """The line after which a row has no label of a person."""
        row = self._rows.get(position)
        last = None if row is None else so_far.line(row.sha256)
        return None if last is None else self.stamped(last, undo=True)

    def _made(self, labels: Mapping[int, str]) -> tuple[list[Refused], dict[int, LabelLine]]:
        """The rows whose files cannot be used; for each of the others a line, which names rows with
        the same bytes."""
        refused: list[Refused] = []
        lines: dict[int, LabelLine] = {}
        rows: dict[str, tuple[int, ...]] = {}
        for at, row in zip(labels, self._answers.read(list(labels)), strict=True):
            sha256 = self._sha256(row)
            if isinstance(sha256, Status) or not sha256:
                refused.append(Refused(at, self._why(row, sha256)))
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

    def _sha256(self, row: Row) -> str | Status:
        """That of a row's file, if it is the one that was classified; empty if the job does not
        know."""
        if row.digest in (b"", NO_DIGEST):
            return ""
        return self._files.sha256(row.name, row.stamp, row.digest)

    def _why(self, row: Row, status: str | Status) -> str:
        if not isinstance(status, Status):
            return "the job has no checksum of this file; classify it again"
        return f"{printable(self._files.path(row.name) or row.name)}: {status.sentence}"

    def note(self, lines: Sequence[LabelLine]) -> None:
        """Note what the lines say of rows. A line about no image, such as a rename, may be about
        any."""
        every = self.file.rows.lines
        is_of_images = all(line.sha256 for line in lines)
        for content in {line.content for line in lines} if is_of_images else every:
            for position in self._answers.same_content(content):
                sha256 = self._sha256_of(position)
                decided = self.file.so_far.of(sha256)
                self._rows.pop(position, None)
                if decided and decided.label:
                    self._rows[position] = _Row(decided.label, sha256)

    def _sha256_of(self, position: int) -> str:
        """The image that a row follows; empty: none."""

        def path() -> str:
            return printable(self._answers.read([position])[0].name)

        content, number = self._answers.content(position), self._answers.rows[position]
        return self.file.rows.sha256(content, number, path)

    def _label(self, position: int) -> str | None:
        row = self._rows.get(position)
        return None if row is None else row.label
