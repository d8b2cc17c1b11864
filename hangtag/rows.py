"""Rows of a table as Python has them, made batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import repeat

import msgspec

from producer.rows.columns import Table, Words, displayed_label
from producer.rows.row_batch import Decision, RowBatch, marked
from shared.image_status import BY_CODE, FLAGS, Flag, Status


class Guess(msgspec.Struct, frozen=True):
    """A label of the model for one image."""

    label: str
    confidence: float  #: 0 to 1


class Row(msgspec.Struct, frozen=True):
    """One image. A row that failed has an empty label and no confidence."""

    name: str  #: the path as it was given, as of os.fsdecode; of an archive or an address its name
    label: str  #: that counts: a person's, else the model's; `unknown` if it is not accepted
    confidence: float | None  #: of the model's label, 0 to 1
    status: Status  #: `ok`, or why it failed; a str
    error: str  #: the status as a sentence; empty if `ok`
    flag: Flag  #: a warning; empty: none; a str
    person: str  #: the label that a person gave it (hangtag review); empty: none
    accepted: bool  #: whether `label` is a label, and not `unknown` or empty
    guesses: tuple[Guess, ...]  #: the model's labels, most probable first: 3, or all (docs)

    @property
    def guess(self) -> str:
        """The model's label, also of a row that is not accepted; empty if it failed."""
        return self.guesses[0].label if self.guesses else ""


class RowMaker:
    """Makes the rows of one table."""

    def __init__(self, table: Table) -> None:
        self._labels, self._rules = table.card.labels, table.rules
        self._label: Words = displayed_label(table.card.labels, table.rules)
        accepted = {Decision.ACCEPTED, Decision.PERSON}
        if table.rules.acceptance is None:
            accepted.add(Decision.FLAGGED)
        self._accepted = bytes(code in accepted for code in range(256))

    def rows(self, batch: RowBatch) -> Iterator[Row]:
        """The rows of a batch."""
        labels = map(self._label.words.__getitem__, self._label.codes(batch))
        made = map(
            Row,
            map(os.fsdecode, batch.names),
            labels,
            batch.confidences,
            map(BY_CODE.__getitem__, batch.statuses),
            repeat(""),
            map(FLAGS.__getitem__, batch.flags),
            map(batch.given_labels.get, range(len(batch)), repeat("")),
            map(bool, batch.decisions.translate(self._accepted)),
            zip(*self._guesses(batch), strict=True),
        )
        if not batch.failed:
            return made
        rows = list(made)
        for i in marked(batch.statuses):
            rows[i] = _failed(rows[i])
        return iter(rows)

    def _guesses(self, batch: RowBatch) -> Iterator[Iterator[Guess]]:
        """Of each rank the labels of all rows."""
        for rank in range(batch.k):
            labels = map(self._labels.__getitem__, batch.labels_at(rank))
            yield map(Guess, labels, batch.confidences_at(rank))


def _failed(row: Row) -> Row:
    """A row whose answers mean nothing."""
    return Row(row.name, "", None, row.status, row.status.sentence, Flag.NONE, "", False, ())
