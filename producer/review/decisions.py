"""The decisions on a table's rows: saved in its log before anything reports them as saved.

The log is the truth. Other processes may append to it, so it is read again when it has grown.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import filterfalse, islice
from pathlib import Path

import msgspec

from producer.pages.file_location import FileLocation
from producer.review.answers import Answer, Answers, Key
from shared.errors import UsageError
from shared.image_status import Status
from shared.labels import correction_log
from shared.labels.class_folders import folded, folder_of, problem
from shared.labels.correction import Correction
from shared.messages.files import printable

#: A page of a thousand labels cannot be used; a hostile client could add them without end.
MAX_LABELS = 1_000


class Refused(msgspec.Struct, frozen=True):
    """A row whose decision was not saved, and why."""

    row: int
    why: str


class Totals(msgspec.Struct, frozen=True):
    """What the decisions say so far."""

    decided: int  #: rows, copies included
    right: int  #: of those, rows whose label was confirmed
    #: The number of those that should be right, by the confidence of each; None: nothing is
    #: promised of these rows (producer/output/promise.py).
    expected: float | None
    #: Of the whole table, estimated: decisions, and the confidence of all other rows. The share
    #: of `right` among the decided rows is no estimate of it, since doubtful rows come first.
    #: None as above.
    accuracy: float | None


class Decisions:
    """Decisions on the rows of `answers`; safe for several threads."""

    def __init__(self, answers: Answers, output: Path, by: str, files: FileLocation) -> None:
        self._answers, self._by, self._files = answers, by, files
        self.path = correction_log.log_path(output)
        self._lock = threading.Lock()
        self._log = correction_log.Follower(self.path)
        self._found: dict[Key, Correction] = {}  #: in force
        self._rows: dict[int, str] = {}  #: position -> label
        self._labels = list(answers.card.labels)
        self._confidence = math.fsum(answers.confidences)
        self._right, self._expected = 0, 0.0  #: of the decided rows

    @property
    def labels(self) -> list[str]:
        """Those of the model, then those that people have added."""
        with self._lock:
            self._refresh()
            return list(self._labels)

    def of(self, positions: Sequence[int]) -> list[str | None]:
        """The label that was decided for each of these rows; None if there is no decision."""
        with self._lock:
            self._refresh()
            return [self._rows.get(position) for position in positions]

    def count(self, chosen: Callable[[int], bool]) -> int:
        """The number of chosen rows with a decision."""
        with self._lock:
            self._refresh()
            return sum(map(chosen, self._rows))

    def open_rows(self, order: Iterable[int], start: int, count: int) -> list[int]:
        """A part of those rows of `order` that have no decision."""
        with self._lock:
            self._refresh()
            return list(islice(filterfalse(self._rows.__contains__, order), start, start + count))

    def totals(self) -> Totals:
        """What is decided in the whole table."""
        with self._lock:
            self._refresh()
            right, expected = self._right, self._expected
            others = self._confidence - expected
            return Totals(len(self._rows), right, expected, (right + others) / len(self._answers))

    def decide(
        self, labels: Mapping[int, str | None]
    ) -> tuple[list[Refused], dict[int, str | None]]:
        """Save the label of each of these rows, or with None that there is no decision any more.

        Returns what is refused, and the labels of other rows that have changed: their copies.

        Raises:
            UsageError: a label cannot be used.
            SetupError: the decisions cannot be saved.
        """
        with self._lock:
            self._refresh()
            for label in set(labels.values()):
                self._check(label)
            refused: list[Refused] = []
            lines: dict[Key, Correction] = {}
            positions = list(labels)
            for position, answer in zip(positions, self._answers.read(positions), strict=True):
                made = self._line(answer, labels[position])
                if isinstance(made, Refused):
                    refused.append(made)
                elif made is not None:
                    lines[answer.key] = made
            if lines:
                correction_log.append(self.path, list(lines.values()))
            self._refresh()
            changed = (at for key in lines for at in self._answers.same_content(key))
            return refused, {at: self._rows.get(at) for at in changed if at not in labels}

    def _line(self, answer: Answer, label: str | None) -> Correction | Refused | None:
        before = self._found.get(answer.key)
        if label is None and before is None:
            return None
        sha256 = before.sha256 if before is not None else self._sha256(answer)
        if isinstance(sha256, Refused):
            return sha256
        guess = self._answers.card.labels[answer.guesses[0][0]]
        return Correction(
            sha256=sha256,
            path=printable(answer.path),
            row=answer.row,
            guess=guess,
            label=label if label is not None else before.label if before is not None else guess,
            by=self._by,
            size=answer.key.size,
            crc32=f"{answer.key.crc32:08x}",
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            undo=label is None,
        )

    def content(self, answer: Answer) -> bytes | Status:
        """The bytes of a row's file, if they are those that were classified."""
        return self._files.classified(answer.path, answer.stamp, answer.digest)

    def _sha256(self, answer: Answer) -> str | Refused:
        content = self.content(answer)
        if isinstance(content, Status):
            path = printable(self._files.path(answer.path))
            return Refused(answer.row, f"{path}: {content.sentence}")
        if not answer.key.crc32:
            return Refused(answer.row, "the job has no checksum of this file; classify it again")
        return hashlib.sha256(content).hexdigest()

    def _check(self, label: str | None) -> None:
        if label is None or label in self._labels:
            return
        if why := problem(label):
            raise UsageError(f"the label {label!r:.80} {why}")
        near = [one for one in self._labels if folded(folder_of(one)) == folded(folder_of(label))]
        if near:
            raise UsageError(
                f"the label {label!r:.80} differs from {near[0]!r} in case only; use that one"
            )
        if len(self._labels) >= MAX_LABELS:
            raise UsageError(f"there are {MAX_LABELS:,} labels; use one of them")

    def _refresh(self) -> None:
        for one in self._log.new():
            key = Key(one.size, int(one.crc32, 16))
            if one.label not in self._labels and not one.undo:
                self._labels.append(one.label)
            if one.undo:
                self._found.pop(key, None)
            else:
                self._found[key] = one
            for position in self._answers.same_content(key):
                self._set(position, None if one.undo else one.label)

    def _set(self, position: int, label: str | None) -> None:
        """Note the decision about one row, and keep the sums."""
        guess = self._answers.card.labels[self._answers.labels[position]]
        confidence = self._answers.confidences[position]
        if position in self._rows:
            self._right -= self._rows.pop(position) == guess
            self._expected -= confidence
        if label is not None:
            self._rows[position] = label
            self._right += label == guess
            self._expected += confidence
