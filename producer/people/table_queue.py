"""What the page of one table shows: its rows in views, their pictures, and the decisions."""

from __future__ import annotations

import os
import secrets
from array import array
from collections.abc import Sequence
from pathlib import Path

import msgspec

from producer.journal.totals import Withdrawn
from producer.pages.thumbnails import Thumbnails
from producer.people.answer_arrays import NO_LABEL, Answers
from producer.people.table_decisions import Decisions, Totals
from producer.people.views import View, ViewKind, belongs, counts, positions
from producer.rows import acceptance
from producer.rows.row_batch import Row
from producer.summary import promise
from producer.summary.promise import sentence
from shared.image_status import Status
from shared.messages.files import printable
from shared.messages.model_card import Card
from shared.pipes.thumbnail import Thumbnail
from shared.registry.learned_lines import is_of_labels

#: Views whose order is kept in memory.
_KEPT_VIEWS = 8


class ShownRow(msgspec.Struct):
    """One row of the page."""

    position: int  #: among rows with a label, from 0
    row: int  #: in the table
    path: str
    guess: str  #: the most probable label that no person has excluded; empty: none
    confidence: float
    others: list[tuple[str, float]]  #: less probable ones
    excluded: list[str]
    flag: str
    folder: str  #: the label that its folder is named after, or empty
    decided: str | None


class Rows(msgspec.Struct):
    """A part of a view."""

    total: int  #: rows of the view
    left: int  #: of those, rows without a decision
    rows: list[ShownRow]


class TableFacts(msgspec.Struct):
    """What does not depend on a view."""

    id: str  #: unique for each start of a server
    name: str
    model: str
    images: int
    labels: list[str]
    folders: list[str]
    counts: dict[str, int]  #: rows of each kind
    totals: Totals
    withdrawn: Withdrawn | None  #: why the totals have no estimates
    others: str  #: what is right of images without a name; empty if no version of labels is used


class Desk:
    """One table."""

    def __init__(
        self,
        output: Path,
        answers: Answers,
        decisions: Decisions,
        thumbnails: Thumbnails,
    ) -> None:
        self.answers, self.decisions = answers, decisions
        self.id = secrets.token_hex(8)
        self._name, self._thumbnails = output.name, thumbnails
        self._doubtless = acceptance.doubtless(answers.card)
        self._counts = counts(answers, self._doubtless)
        flagged, doubtful = self._counts[ViewKind.FLAGGED], self._counts[ViewKind.DOUBTFUL]
        rows = promise.LabelledRows(len(answers), doubtful, flagged)
        self._withdrawn = promise.withdrawn(answers.card, rows, answers.options)
        self._orders: dict[View, array[int]] = {}
        self._folders = {printable(name): name for name in answers.folder_names}

    def table(self) -> TableFacts:
        """The heading of the page."""
        return TableFacts(
            id=self.id,
            name=self._name,
            model=self.answers.card.ref,
            images=len(self.answers),
            labels=self.decisions.labels,
            folders=sorted(self._folders),
            counts=self._counts,
            totals=self.totals(),
            withdrawn=self._withdrawn,
            others=_others(self.answers.card),
        )

    def totals(self) -> Totals:
        """What is decided, with estimates if any are promised."""
        totals = self.decisions.totals()
        if self._withdrawn is None:
            return totals
        return msgspec.structs.replace(totals, expected=None, accuracy=None)

    def rows(
        self,
        kind: ViewKind,
        label: int | None,
        folder: str | None,
        open_: bool,
        start: int,
        count: int,
    ) -> Rows:
        """A part of a view; `open_` leaves out rows with a decision."""
        name = None if folder is None else self._folders.get(folder, os.fsencode(folder))
        view = View(kind, label, name)
        order, decisions = self._order(view), self.decisions
        left = len(order) - decisions.count(belongs(self.answers, view, self._doubtless))
        some: Sequence[int] = order[start : start + count]
        if open_:
            some = decisions.open_rows(order, start, count)
        read, excluded = self.answers.read(some), decisions.excluded(some)
        rows = list(map(self._shown, some, read, decisions.of(some), excluded))
        return Rows(left if open_ else len(order), left, rows)

    def picture(self, position: int, side: int) -> Thumbnail:
        """The file of a row, decoded and encoded again."""
        (row,) = self.answers.read([position])
        content = self.decisions.content(row)
        if isinstance(content, Status):
            return Thumbnail(why=content.sentence)
        return self._thumbnails.make(content, side)

    def _order(self, view: View) -> array[int]:
        order = self._orders.get(view)
        if order is None:
            order = positions(self.answers, view, self._doubtless)
            if len(self._orders) >= _KEPT_VIEWS:
                self._orders.pop(next(iter(self._orders)))
            self._orders[view] = order
        return order

    def _shown(
        self, position: int, row: Row, decided: str | None, excluded: Sequence[str]
    ) -> ShownRow:
        labels = self.answers.card.labels
        folder_label = self.answers.folder_label(position)
        named = [(label, p) for label, p in row.named(labels) if label not in excluded]
        guess, confidence = named[0] if named else ("", 0.0)
        return ShownRow(
            position=position,
            row=row.number,
            path=printable(row.name),
            guess=guess,
            confidence=confidence,
            others=named[1:],
            excluded=list(excluded),
            flag=row.flag,
            folder="" if folder_label == NO_LABEL else labels[folder_label],
            decided=decided,
        )


def _others(card: Card) -> str:
    """The figure of a version that learned from a labels file: the confidences of the other rows
    are too high where a kind has no name yet."""
    if not is_of_labels(card):
        return ""
    right = card.right_of_others
    return "too few were drawn by chance to say more" if right is None else sentence(right)
