"""`hangtag compare`: which of two tables over the same images is right, and where they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import nsmallest
from pathlib import Path

import msgspec

from producer.compare.paired_rows import paired, rows
from producer.compare.paired_test import p_value
from producer.compare.tally import ComparedRows, Tally
from producer.journal.sealed_journal import SealedJournal
from producer.rendering.person_labels import labels_now
from producer.rows.row_batch import Rules
from shared.errors import UsageError
from shared.messages.files import printable

#: The most frequent disagreements in a comparison; a page or a program needs no more.
MAX_CONFUSIONS = 100


class Side(msgspec.Struct, frozen=True):
    """One of the two tables."""

    table: str
    job: str
    model: str
    rows: int
    finished: bool  #: false of the rows so far
    failed: int  #: of the files of both tables, those that failed in this table alone
    only: int  #: rows whose file is not in the other table
    examples: list[str]  #: paths of the first of these
    right: int  #: of the judged images


class LabelFigures(msgspec.Struct, frozen=True):
    label: str
    a: int  #: images with this label in A
    b: int
    agreed: int  #: in both
    judged: int  #: images whose folder, or a person, states this label
    right_a: int  #: of these
    right_b: int
    only_a_right: int
    only_b_right: int


class Confusion(msgspec.Struct, frozen=True):
    """Images with one label in A and another one in B."""

    a: str
    b: str
    images: int


class Comparison(msgspec.Struct, frozen=True):
    """Two tables, A and B. Images are the files of both tables with a label in both."""

    a: Side
    b: Side
    both: int  #: files with a row in both tables
    changed: int  #: those with a label in both whose content differs, which are not compared
    failed_in_both: int
    images: int
    agreed: int
    judged: int  #: images whose folder is named like a label, or about which a person decided
    only_a_right: int
    only_b_right: int
    both_wrong: int
    p_value: float | None  #: of McNemar's exact test; None where no image is judged
    labels: list[LabelFigures]  #: that occur, the most frequent in A first
    confusions: list[Confusion]  #: the most frequent ones first, at most MAX_CONFUSIONS
    labels_in_common: int = 1  #: of both versions
    judged_by_people: int = 0  #: of the judged images, those without a folder that is named so

    @property
    def judges(self) -> str:
        """Who states what is right, as the end of a sentence."""
        if self.judged_by_people == 0:
            return "as their folders are named"
        if self.judged_by_people == self.judged:
            return "as people decided in hangtag review"
        return "as their folders are named, or people decided"


def compare(
    a: SealedJournal, b: SealedJournal, each: Callable[[ComparedRows], None] = lambda pair: None
) -> tuple[Comparison, Tally]:
    """Compare two open journals; `each` gets every pair with a label in both, once.

    Raises:
        UsageError: they have no file in common.
        SetupError: a journal or a log of corrections is damaged.
    """
    rules = [Rules(given_labels=labels_now(_output(job), job.card.labels)) for job in (a, b)]
    given = {label for rule in rules if rule.given_labels for label in rule.given_labels.labels}
    tally = Tally(a.card.labels, b.card.labels, given)
    for pair in paired(*map(rows, (a, b), rules)):
        compared = tally.add(pair)
        if compared is not None:
            each(compared)
    if not tally.both and (tally.only_a or tally.only_b):
        raise UsageError(
            f"{_table(a)} and {_table(b)} have no file in common; compare tables over the same "
            "folders"
        )
    return _comparison(a, b, tally), tally


def _comparison(a: SealedJournal, b: SealedJournal, tally: Tally) -> Comparison:
    judged, right_a, right_b = sum(tally.judged), sum(tally.right_a), sum(tally.right_b)
    only_a = right_a - sum(tally.right_both)
    only_b = right_b - sum(tally.right_both)
    return Comparison(
        a=_side(a, tally.failed_a, tally.only_a, tally.examples_a, right_a),
        b=_side(b, tally.failed_b, tally.only_b, tally.examples_b, right_b),
        both=tally.both,
        changed=tally.changed,
        failed_in_both=tally.failed_both,
        images=tally.labelled,
        agreed=tally.agreed,
        judged=judged,
        only_a_right=only_a,
        only_b_right=only_b,
        both_wrong=judged - right_a - only_b,
        p_value=p_value(only_a, only_b) if judged else None,
        labels=sorted(_labels(tally), key=lambda one: (-one.a, -one.b, one.label)),
        confusions=nsmallest(
            MAX_CONFUSIONS, _confusions(tally), lambda one: (-one.images, one.a, one.b)
        ),
        labels_in_common=tally.labels_in_common,
        judged_by_people=tally.judged_by_people,
    )


def _side(sealed: SealedJournal, failed: int, only: int, examples: list[bytes], right: int) -> Side:
    return Side(
        table=_table(sealed),
        job=sealed.record.id,
        model=sealed.card.ref,
        rows=sealed.count,
        finished=sealed.finished,
        failed=failed,
        only=only,
        examples=[printable(name) for name in examples],
        right=right,
    )


def _table(sealed: SealedJournal) -> str:
    return printable(_output(sealed))


def _output(sealed: SealedJournal) -> Path:
    return Path(sealed.options.output)


def _labels(tally: Tally) -> Iterator[LabelFigures]:
    for i, label in enumerate(tally.labels):
        if not (tally.counts_a[i] or tally.counts_b[i] or tally.judged[i]):
            continue
        yield LabelFigures(
            label=label,
            a=tally.counts_a[i],
            b=tally.counts_b[i],
            agreed=tally.agreed_on[i],
            judged=tally.judged[i],
            right_a=tally.right_a[i],
            right_b=tally.right_b[i],
            only_a_right=tally.right_a[i] - tally.right_both[i],
            only_b_right=tally.right_b[i] - tally.right_both[i],
        )


def _confusions(tally: Tally) -> Iterator[Confusion]:
    for (a, b), images in tally.pairs.different():
        yield Confusion(tally.labels[a], tally.labels[b], images)
