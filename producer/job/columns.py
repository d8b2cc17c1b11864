"""The columns of a table, as any form displays them. A new column is one more row of SINGLE. What
only a worker knows of an image is first one more column of a batch's result
(shared/messages/batch.py).

path,label,confidence,status,error,flag,model, then guess (--accept, --min-confidence,
corrections), source (corrections), label_2,confidence_2,... (--top-k) and p_LABEL,...
(--probabilities).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from producer.job.acceptance import UNKNOWN
from producer.job.row_batch import Decision, RowBatch, Rules, marked, zeroed_where_marked
from shared.image_status import BY_CODE, FLAGS
from shared.messages.batch import JobRecord
from shared.messages.model_card import Card

PATH = "path"
COLUMNS = (PATH, "label", "confidence", "status", "error", "flag", "model")
CONFIDENCE = "confidence"
#: The model's label of every row, also of those that are not accepted.
GUESS = "guess"
#: Who gave the label.
SOURCE = "source"
MODEL, PERSON = "model", "person"


class Names(NamedTuple):
    """The column of file names."""

    name: str


class Words(NamedTuple):
    """A column of few texts. `codes` are of each row the index of its text, as `bytes` if they are
    mostly the same; an empty text is an empty cell."""

    name: str
    words: Sequence[str]
    codes: Callable[[RowBatch], Sequence[int]]


class Decimals(NamedTuple):
    """A column of float32 numbers. Cells of failed rows are empty; their values mean nothing."""

    name: str
    values: Callable[[RowBatch], array[float]]
    digits: int = 4  #: decimals in text: four for a probability, none for a whole number


Column = Names | Words | Decimals


class Table(NamedTuple):
    """What a table displays of a job's rows."""

    columns: tuple[Column, ...]
    rules: Rules
    job: JobRecord
    card: Card


_statuses = attrgetter("statuses")
#: What may follow the path: a row for each column, by its name.
SINGLE: dict[str, Callable[[Card, Rules], Column]] = {
    "label": lambda card, rules: displayed_label(card.labels, rules),
    CONFIDENCE: lambda card, rules: Decimals(CONFIDENCE, attrgetter("confidences")),
    "status": lambda card, rules: Words("status", BY_CODE, _statuses),
    "error": lambda card, rules: Words("error", [each.sentence for each in BY_CODE], _statuses),
    "flag": lambda card, rules: Words(
        "flag", FLAGS, lambda batch: zeroed_where_marked(batch.flags, batch.statuses)
    ),
    "model": lambda card, rules: Words("model", (card.ref,), lambda batch: bytes(len(batch))),
    GUESS: lambda card, rules: _label(GUESS, card.labels, 0),
    SOURCE: lambda card, rules: Words(SOURCE, ("", MODEL, PERSON), _sources),
}


def table_columns(
    card: Card,
    rules: Rules,
    top_k: int = 1,
    probabilities: bool = False,
    chosen: Sequence[str] = (),
) -> tuple[Column, ...]:
    """The columns of a table. `chosen` follow the path; without them these are all of `COLUMNS`,
    and the guess if its label may differ: with an acceptance, or labels that people gave."""
    names = tuple(chosen) or (
        *COLUMNS[1:],
        *([GUESS] if rules.acceptance or rules.given_labels else []),
        *([SOURCE] if rules.given_labels else []),
    )
    return (
        Names(PATH),
        *(SINGLE[name](card, rules) for name in names),
        *_further(card.labels, min(top_k, len(card.labels))),
        *(_of_labels(card.labels) if probabilities else ()),
    )


def displayed_label(labels: Sequence[str], rules: Rules) -> Words:
    """The label that counts: of a person, or the model's, unless it is not accepted."""
    given = rules.given_labels.labels if rules.given_labels else set()
    words = [*labels, "", UNKNOWN, *sorted(given - {*labels})]
    empty, unknown = len(labels), len(labels) + 1
    code_of = {word: code for code, word in reversed(list(enumerate(words)))}
    instead: dict[int, int] = {
        Decision.FAILED: empty,
        Decision.UNKNOWN: unknown,
        Decision.FLAGGED: unknown,
    }
    if rules.acceptance is None:
        del instead[Decision.FLAGGED]

    def codes(batch: RowBatch) -> Sequence[int]:
        """The index into `words` of each row's displayed label."""
        not_accepted = marked(batch.decisions.translate(_NOT_ACCEPTED))
        if not not_accepted:
            return batch.labels
        shown = batch.labels.tolist()
        for i in not_accepted:
            shown[i] = instead.get(batch.decisions[i], shown[i])
        for i, label in batch.given_labels.items():
            shown[i] = code_of[label]
        return shown

    return Words("label", words, codes)


def _label(name: str, names: Sequence[str], rank: int) -> Words:
    """The model's label of a rank."""
    empty = len(names)

    def codes(batch: RowBatch) -> Sequence[int]:
        if not batch.failed:
            return batch.labels_at(rank)
        labels = batch.labels_at(rank).tolist()  # `empty` may exceed their 16 bits
        for i in marked(batch.statuses):
            labels[i] = empty
        return labels

    return Words(name, [*names, ""], codes)


def _further(labels: Sequence[str], top_k: int) -> Iterator[Column]:
    for rank in range(1, top_k):
        yield _label(f"label_{rank + 1}", labels, rank)
        yield Decimals(
            f"{CONFIDENCE}_{rank + 1}",
            partial(lambda rank, batch: batch.confidences_at(rank), rank),
        )


def _of_labels(labels: Sequence[str]) -> Iterator[Column]:
    """The probability of each label; a job with these columns has all of them."""
    count = len(labels)
    for i, label in enumerate(labels):
        yield Decimals(f"p_{label}", partial(lambda i, batch: batch.by_label[i::count], i))


def _sources(batch: RowBatch) -> bytes:
    return batch.decisions.translate(_SOURCE_OF)


_NOT_ACCEPTED = bytes(code != Decision.ACCEPTED for code in range(256))
_SOURCE_OF = bytes(
    {Decision.FAILED: 0, Decision.PERSON: 2}.get(Decision(code), 1) if code < len(Decision) else 0
    for code in range(256)
)
