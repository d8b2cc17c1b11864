"""The rows of a table, in views."""

from __future__ import annotations

import enum
import os
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.job import acceptance
from producer.job.acceptance import Acceptance
from producer.job.row_batch import Row
from producer.pages.thumbnails import Thumbnails
from producer.people.answer_arrays import NO_LABEL, Answers
from producer.people.queue import (
    Choices,
    Decide,
    Facts,
    Item,
    Page,
    Queue,
    Refused,
    Saved,
    number,
)
from producer.people.table_decisions import Labels, TableDecisions, Totals
from producer.present.formatting import percent
from producer.table import promise
from producer.table.promise import sentence
from shared.errors import UsageError
from shared.image_status import Status
from shared.labels.labels_so_far import Decided
from shared.messages.files import printable
from shared.messages.helpers import Thumbnail
from shared.messages.model_card import Card
from shared.registry.learned_lines import is_of_labels


class ViewKind(enum.StrEnum):
    """The choices of a page."""

    DOUBTFUL = "doubtful"  #: the least confident first
    FLAGGED = "flagged"  #: the least confident first
    DISAGREEING = "disagreeing"  #: with the folder's name; the most confident first
    ALL = "all"  #: in the order of the table


#: Whether a position is chosen.
Choice = Callable[[int], bool]


class View(NamedTuple):
    """A choice of rows."""

    kind: ViewKind = ViewKind.DOUBTFUL
    label: int | None = None  #: the model's, where no person has excluded it
    folder: bytes | None = None  #: the name of the folder that the file is in


def positions(answers: Answers, view: View, doubtless: Acceptance) -> array[int]:
    """The positions of a view's rows, in its order."""
    members = filter(belongs(answers, view, doubtless), range(len(answers)))
    if view.kind is ViewKind.ALL:
        return array("I", members)
    is_confident_first = view.kind is ViewKind.DISAGREEING
    return array(
        "I", sorted(members, key=answers.confidences.__getitem__, reverse=is_confident_first)
    )


def belongs(answers: Answers, view: View, doubtless: Acceptance) -> Choice:
    """Whether a position is in a view."""
    chosen = _CHOSEN[view.kind](answers, doubtless)
    return lambda p: chosen(p) and _matches(answers, view, p)


def counts(answers: Answers, doubtless: Acceptance) -> dict[str, int]:
    """The number of rows of each kind."""
    return {
        str(kind): sum(map(_CHOSEN[kind](answers, doubtless), _all(answers))) for kind in ViewKind
    }


def _all(answers: Answers) -> Iterator[int]:
    return iter(range(len(answers)))


def _matches(answers: Answers, view: View, position: int) -> bool:
    folder = answers.folder_names[answers.folders[position]]
    if view.label is not None and answers.excluded[position]:
        return False
    return view.label in (None, answers.labels[position]) and view.folder in (None, folder)


def _doubtful(answers: Answers, doubtless: Acceptance) -> Choice:
    labels, confidences, flags = answers.labels, answers.confidences, answers.flags
    return lambda p: not doubtless.accepts(labels[p], confidences[p], bool(flags[p]))


def _flagged(answers: Answers, _: Acceptance) -> Choice:
    return lambda p: bool(answers.flags[p])


def _disagreeing(answers: Answers, _: Acceptance) -> Choice:
    return lambda p: answers.folder_label(p) not in (NO_LABEL, answers.labels[p])


def _every(_: Answers, __: Acceptance) -> Choice:
    return lambda p: True


_CHOSEN: dict[ViewKind, Callable[[Answers, Acceptance], Choice]] = {
    ViewKind.DOUBTFUL: _doubtful,
    ViewKind.FLAGGED: _flagged,
    ViewKind.DISAGREEING: _disagreeing,
    ViewKind.ALL: _every,
}


#: Views whose order is kept in memory.
_KEPT_VIEWS = 8
#: Rows of a page.
MAX_ROWS = 500


class TableQueue(Queue):
    """An item is a row with a label, by its position."""

    command = "hangtag review"
    scripts = ("table.js",)

    def __init__(
        self,
        output: Path,
        answers: Answers,
        decisions: TableDecisions,
        thumbnails: Thumbnails,
    ) -> None:
        self.answers, self.decisions = answers, decisions
        self._name, self._thumbnails = output.name, thumbnails
        self._doubtless = acceptance.doubtless(answers.card)
        self._counts = counts(answers, self._doubtless)
        flagged, doubtful = self._counts[ViewKind.FLAGGED], self._counts[ViewKind.DOUBTFUL]
        rows = promise.LabelledRows(len(answers), doubtful, flagged)
        self._withdrawn = promise.withdrawn(answers.card, rows, answers.options)
        self._order = lru_cache(_KEPT_VIEWS)(lambda view: positions(answers, view, self._doubtless))
        self._folders = {printable(name): name for name in answers.folder_names}

    def __len__(self) -> int:
        return len(self.answers)

    def facts(self, start: str) -> Facts:
        title = f"{self._name} — {len(self):,} images, {self.answers.card.ref}"
        choices = Choices(self._counts, sorted(self._folders))
        labels = self.decisions.labels
        return Facts(start, self.command, self._name, title, labels, self._heading(), choices)

    def totals(self) -> Totals:
        """What is decided, with estimates if any are promised."""
        totals = self.decisions.totals()
        if self._withdrawn is None:
            return totals
        return msgspec.structs.replace(totals, expected=None, accuracy=None)

    def page(self, query: Mapping[str, str]) -> Page:
        """A part of a view; `open` leaves out rows with a decision."""
        kind = query.get("kind", ViewKind.DOUBTFUL)
        if kind not in list(ViewKind):
            raise UsageError("there is no such choice of rows")
        label, folder = query.get("label"), query.get("folder")
        view = View(
            ViewKind(kind),
            None if label is None else number(label),
            None if folder is None else self._folders.get(folder, os.fsencode(folder)),
        )
        start, count = number(query.get("start", "0")), number(query.get("count", "100"))
        return self.rows(view, query.get("open") == "1", start, min(count, MAX_ROWS))

    def rows(self, view: View, open_: bool, start: int, count: int) -> Page:
        """Rows of a view."""
        order, decisions = self._order(view), self.decisions
        left = len(order) - decisions.count(belongs(self.answers, view, self._doubtless))
        some: Sequence[int] = order[start : start + count]
        if open_:
            some = decisions.open_rows(order, start, count)
        return Page("rows", "", self._items(some), left if open_ else len(order), left)

    def picture(self, item: int, side: int) -> Thumbnail:
        (row,) = self.answers.read([item])
        content = self.decisions.content(row)
        if isinstance(content, Status):
            return Thumbnail(why=content.sentence)
        return self._thumbnails.make(content, side)

    def decide(self, given: Mapping[int, Decided | None], asked: Decide) -> Saved:
        if any(one is not None and one.kind != "label" for one in given.values()):
            raise UsageError("a row gets a label, or has no decision")
        labels = {at: None if one is None else one.label for at, one in given.items()}
        refused, now = self.decisions.decide(labels)
        return self._saved(now, refused)

    def undo(self) -> Saved | None:
        """The reply has the first row that is changed."""
        now = self.decisions.undo_rows()
        if now is None:
            return None
        return self._saved(now, page=Page("undone", "", self._items(list(now)[:1]), len(now)))

    def _saved(
        self, now: Labels, refused: Sequence[Refused] = (), page: Page | None = None
    ) -> Saved:
        changed = {at: _decided(label) for at, label in now.items()}
        return Saved(list(refused), self.decisions.labels, self._heading(), page, changed)

    def _heading(self) -> str:
        totals = self.totals()
        so_far = _decided_so_far(totals)
        if (withdrawn := self._withdrawn) is not None:
            return (
                f"{so_far} No precision is promised: {withdrawn.why}. The model may not know such "
                f"images; {withdrawn.advice}: {withdrawn.train}"
            )
        if others := _right_of_others(self.answers.card):
            return f"{so_far} {others}."
        assert totals.accuracy is not None
        about = f"about {percent(totals.accuracy)}"
        # Decided rows are no sample: the doubtful ones come first.
        if totals.decided:
            return f"{so_far} Of the whole table {about}, if the confidence of the others holds."
        return f"{so_far} {about.capitalize()} of the table should be right."

    def _items(self, some: Sequence[int]) -> list[Item]:
        rows, decided = self.answers.read(some), self.decisions.of(some)
        return list(map(self._item, some, rows, decided, self.decisions.excluded(some)))

    def _item(self, position: int, row: Row, decided: str | None, excluded: Sequence[str]) -> Item:
        labels = self.answers.card.labels
        folder_label = self.answers.folder_label(position)
        named = [(label, p) for label, p in row.named(labels) if label not in excluded]
        guess, confidence = named[0] if named else ("", 0.0)
        return Item(
            position, printable(row.name), guess, confidence, _decided(decided), named[1:],
            list(excluded), row=row.number, flag=row.flag,
            folder="" if folder_label == NO_LABEL else labels[folder_label],
        )  # fmt: skip


def _decided(label: str | None) -> Decided | None:
    return None if label is None else Decided("label", label)


def _decided_so_far(totals: Totals) -> str:
    """What the version has learned says nothing about how often it is right."""
    decided, judged = totals.decided, totals.decided - totals.learned
    if not decided:
        return "Nothing decided yet."
    learned = f", {totals.learned:,} learned by the version, not counted" if totals.learned else ""
    if not judged:
        return f"{decided:,} decided{learned}."
    expected = "" if totals.expected is None else f", {percent(totals.expected / judged)} expected"
    which = "the others" if learned else "these"
    right = percent(totals.right / judged)
    return f"{decided:,} decided{learned}: {right} of {which} were right{expected}."


def _right_of_others(card: Card) -> str:
    """The figure of a version that learned from a labels file: the confidences of the other rows
    are too high where a kind has no name yet."""
    if not is_of_labels(card):
        return ""
    right = card.right_of_others
    return "too few were drawn by chance to say more" if right is None else sentence(right)
