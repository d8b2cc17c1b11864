"""The rows of a table as CSV.

Columns: path,label,confidence,status,error,flag,model, then guess (--accept, --min-confidence,
corrections), source (corrections), label_2,confidence_2,... (--top-k) and p_LABEL,...
(--probabilities).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from producer.journal.records import BatchFiles
from producer.output.csv_cells import escape, quote
from producer.rows.acceptance import UNKNOWN, Acceptance
from shared.image_status import BY_CODE, FLAGS, Flag, Status
from shared.messages.batch import BatchResult, numbers
from shared.messages.model_card import Card

COLUMNS = ("path", "label", "confidence", "status", "error", "flag", "model")
CONFIDENCE = "confidence"
#: The model's label of every row, also of those that are not accepted.
GUESS = "guess"
#: Who gave the label.
SOURCE = "source"
MODEL, PERSON = "model", "person"
#: The rows of a job whose table is not complete.
PART_SUFFIX = ".part"
EMPTY: Mapping[int, str] = MappingProxyType({})
#: Marks the place of a confidence in a text; no cell has one.
_GAP = "\0"
#: Usually no name of a batch needs escaping or quoting, which one search finds out.
_SPECIAL = re.compile(r"""[",\\\x01-\x1f\x7f-\x9f]|(?:^|\0)[=+\-@']""")


class Persons(Protocol):
    """The labels that people gave to rows."""

    @property
    def unproven(self) -> str:
        """A line on labels whose rows were found by size and CRC-32 only; empty if there are
        none."""

    def of(self, first: int, batch: BatchFiles, result: BatchResult) -> Mapping[int, str]:
        """The labels of a batch's rows, by index; `first` is its first row, counted from 1."""


class Table:
    """Formats the rows of one job."""

    def __init__(
        self,
        card: Card,
        top_k: int = 1,
        probabilities: bool = False,
        acceptance: Acceptance | None = None,
        columns: Sequence[str] = (),
        persons: Persons | None = None,
    ) -> None:
        """`columns` follow the path. Without them these are all of `COLUMNS`, and the guess if
        its label may differ: with an acceptance, or labels that people gave."""
        self.persons = persons
        self._names = card.labels
        self._labels = [_cell(label) for label in card.labels]
        self._k = min(top_k, len(card.labels))
        self._probabilities = probabilities
        self._wide = self._k > 1 or probabilities
        self._acceptance = acceptance
        self.columns = tuple(columns) or (
            *COLUMNS[1:],
            *([GUESS] if acceptance or persons else []),
            *([SOURCE] if persons else []),
        )
        self._has_confidence = CONFIDENCE in self.columns
        self._model = _cell(card.ref)
        self._failures = [self._failure(status) for status in BY_CODE]
        #: By flag, acceptance and label: the text before and after the confidence.
        self._parts = [
            (self._of_labels(flag, accepted=False), self._of_labels(flag, accepted=True))
            for flag in FLAGS
        ]

    @property
    def header(self) -> str:
        more = [f"{c}_{k}" for k in range(2, self._k + 1) for c in ("label", "confidence")]
        every = [_cell(f"p_{label}") for label in self._names] if self._probabilities else []
        return ",".join([COLUMNS[0], *self.columns, *more, *every]) + "\n"

    def rows(
        self,
        names: Sequence[bytes],
        result: BatchResult,
        by_persons: Mapping[int, str] = EMPTY,
    ) -> list[str]:
        """The rows of one batch. `by_persons` has labels that people gave, by index."""
        paths = cells(names)
        indices: Sequence[int] = numbers("H", result.indices)
        values: Sequence[float] = numbers("f", result.probabilities)
        lines = self._lines(paths, indices[:: result.k], values[:: result.k], result)
        for i, label in by_persons.items():
            at = i * result.k
            flag = FLAGS[result.flags[i]] if result.flags else FLAGS[0]
            lines[i] = paths[i] + self._by_person(label, indices[at], values[at], flag)
        if self._wide:
            starts = range(0, len(indices), result.k)
            lines = [
                line + self._more(indices[at : at + result.k], values[at : at + result.k])
                for line, at in zip(lines, starts, strict=True)
            ]
        if any(result.statuses):
            for i, code in enumerate(result.statuses):
                if code:
                    lines[i] = paths[i] + self._failures[code]
        return lines

    def _lines(
        self,
        paths: list[str],
        labels: Sequence[int],
        confidences: Sequence[float],
        result: BatchResult,
    ) -> list[str]:
        """The rows without the columns of --top-k and --probabilities, as if none had failed."""
        unknown, known = self._parts[0]
        if self._acceptance is None:
            parts = [known[label] for label in labels]
        else:
            accepted = self._acceptance.accepted(result)
            parts = [
                (known if yes else unknown)[label]
                for label, yes in zip(labels, accepted, strict=True)
            ]
        for i, flag in enumerate(result.flags):  # usually empty
            if flag:
                parts[i] = self._parts[flag][self._acceptance is None][labels[i]]
        if not self._has_confidence:
            return [path + before for path, (before, _) in zip(paths, parts, strict=True)]
        return [
            f"{path}{before}{confidence:.4f}{after}"
            for path, confidence, (before, after) in zip(paths, confidences, parts, strict=True)
        ]

    def _by_person(self, label: str, guess: int, confidence: float, flag: Flag) -> str:
        """The cells of a row after the path; the confidence is that of the guess."""
        row = {
            "label": _cell(label),
            CONFIDENCE: f"{confidence:.4f}",
            "status": Status.OK,
            "flag": flag,
            "model": self._model,
            GUESS: self._labels[guess],
            SOURCE: PERSON,
        }
        return self._row(row)

    def _more(self, indices: Sequence[int], values: Sequence[float]) -> str:
        cells = [f",{self._labels[indices[k]]},{values[k]:.4f}" for k in range(1, self._k)]
        if self._probabilities:
            cells += [f",{p:.4f}" for _, p in sorted(zip(indices, values, strict=True))]
        return "".join(cells) + "\n"

    def _of_labels(self, flag: Flag, accepted: bool) -> list[tuple[str, str]]:
        """For each label, the text before and after the confidence."""
        found = []
        for label in self._labels:
            row = {
                "label": label if accepted else UNKNOWN,
                CONFIDENCE: _GAP,
                "status": Status.OK,
                "flag": flag,
                "model": self._model,
                GUESS: label,
                SOURCE: MODEL,
            }
            before, _, after = self._row(row).partition(_GAP)
            found.append((before, after))
        return found

    def _failure(self, status: Status) -> str:
        more = 2 * (self._k - 1) + (len(self._names) if self._probabilities else 0)
        row = {"status": status, "error": _cell(status.sentence), "model": self._model}
        return self._row(row) + ("," * more + "\n" if self._wide else "")

    def _row(self, row: dict[str, str]) -> str:
        """The cells after the path; the end of the line, too, if no more columns follow."""
        cells = "".join(f",{row.get(column, '')}" for column in self.columns)
        return cells if self._wide else cells + "\n"


def cells(names: Sequence[bytes]) -> list[str]:
    """Paths as cells of the table."""
    joined = b"\0".join(names)
    try:
        text = joined.decode()
    except UnicodeDecodeError:
        text = '"'
    if _SPECIAL.search(text) is None:
        return text.split("\0")
    return [quote(escape(name)) for name in names]


def failures(result: BatchResult) -> int:
    """The number of images of a batch without a label."""
    return len(result.statuses) - result.statuses.count(Status.OK.code)


def _cell(text: str) -> str:
    return quote(escape(text.encode()))
