"""The rows of one batch as columns, made once from what a journal stores.

Results are read here only. A column has one value for each row, and is read when it is first used.
What a worker measures beside labels is read with `measured`. A row has `k` labels, so that
several of them may hold. A name is any bytes without NUL: it need not be a path.
"""

from __future__ import annotations

import enum
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import chain, count, repeat
from operator import add
from typing import NamedTuple, Protocol

from producer.job.acceptance import Acceptance
from shared.image_status import BY_CODE, FLAGS, Flag, Status
from shared.labels.label_line import Content
from shared.messages.batch import KINDS, BatchResult, decode_result
from shared.messages.files import DIGEST_BYTES, STAMP, Stamp

_NOT_ZERO = re.compile(rb"[^\0]")
_SEPARATOR = b"\0"


class Row(NamedTuple):
    """One row of a table, of those that a page or a comparison picks out of a batch."""

    number: int  #: in the table, the first is 1
    name: bytes
    stamp: Stamp
    digest: bytes  #: CRC-32 of the file's bytes; empty if unknown
    status: Status
    flag: Flag
    labels: tuple[int, ...]  #: indices of the card's labels, the most probable first
    confidences: tuple[float, ...]
    person: str  #: the label that a person gave it; empty: none

    @property
    def has_failed(self) -> bool:
        return self.status is not Status.OK

    @property
    def label(self) -> int:
        """The model's."""
        return self.labels[0]

    @property
    def confidence(self) -> float:
        return self.confidences[0]

    def named(self, names: Sequence[str]) -> list[tuple[str, float]]:
        """Its labels by name with their confidences, the most probable first."""
        return [(names[i], p) for i, p in zip(self.labels, self.confidences, strict=True)]


class Decision(enum.IntEnum):
    """What a row is displayed as."""

    UNKNOWN = 0  #: the confidence is below the threshold, or a person has excluded the label
    ACCEPTED = 1
    FLAGGED = 2
    PERSON = 3
    FAILED = 4


def decide(confident: bytes, flags: bytes, labelled: Iterable[int], statuses: bytes) -> bytes:
    """The `Decision` of each row: a failure before a label by a person, before a flag, before the
    threshold. `confident` has 1 for rows that reach their threshold; `flags`
    and `statuses` have wire codes, `labelled` the indices of rows to which people gave a label."""
    decisions = bytearray(confident)
    for i in marked(flags):
        decisions[i] = Decision.FLAGGED
    for i in labelled:
        decisions[i] = Decision.PERSON
    for i in marked(statuses):
        decisions[i] = Decision.FAILED
    return bytes(decisions)


def zeroed_where_marked(values: bytes, *codes: bytes) -> bytes:
    """`values`, with 0 for the rows of which any code is not 0."""
    remaining = bytearray(values)
    for some in codes:
        for i in marked(some):
            remaining[i] = 0
    return bytes(remaining)


def marked(codes: bytes) -> list[int]:
    """The indices of codes that are not 0, usually few."""
    return [match.start() for match in _NOT_ZERO.finditer(codes)]


class GivenLabels(Protocol):
    """The labels that people gave to rows."""

    @property
    def labels(self) -> set[str]:
        """Every label that a person gave."""

    def labels_by_row(self, batch: RowBatch) -> Mapping[int, str]:
        """The labels of a batch's rows, by index."""

    def excluded(self, batch: RowBatch) -> bytes:
        """1 for each row that does not have the model's label, as a person has said, else 0; empty
        if there is none."""


class Rules(NamedTuple):
    """What decides about rows, beside the answers of the model."""

    acceptance: Acceptance | None = None  #: None: every label is accepted
    given_labels: GivenLabels | None = None


#: Nothing decides but the model.
AS_CLASSIFIED = Rules()


class Position(NamedTuple):
    """Where a batch ends in its journal."""

    n: int = -1  #: the number of the batch
    rows: int = 0  #: up to its last one


#: Before the first batch.
START = Position()


class RowBatch:
    """Some rows that follow each other. A column is as long as the batch."""

    def __init__(
        self,
        names: bytes,
        result: BatchResult,
        *,
        n: int = START.n,
        first: int = 1,
        stamps: bytes = b"",
        digests: bytes = b"",
        rules: Rules = AS_CLASSIFIED,
    ) -> None:
        """`names` have a NUL between two, `stamps` and `digests` are packed. Empty `digests` are
        not known; without `stamps` there are columns, but no `rows`. `n` is the number of the batch
        in its journal, `first` that of the first row in the table, counted from 1."""
        self.first, self.rules = first, rules
        self.end = Position(n, first + len(result.statuses) - 1)
        self.joined_names = names
        self.k = result.k  #: labels of each row
        self.statuses = result.statuses  #: wire codes
        self.flags = result.column("flags")  #: wire codes; 0: none
        self.result, self._stamps, self._digests = result, stamps, digests
        self._confident: dict[Acceptance, bytes] = {}

    def __len__(self) -> int:
        return len(self.statuses)

    @cached_property
    def names(self) -> list[bytes]:
        return self.joined_names.split(_SEPARATOR)

    @cached_property
    def is_of_one_folder(self) -> bool:
        """Whether all files are known to be in the same folder: usually, which one count shows."""
        folder, slash, _ = self.joined_names.partition(_SEPARATOR)[0].rpartition(b"/")
        slashes = folder.count(b"/") + len(slash)
        starts = (_SEPARATOR + self.joined_names).count(_SEPARATOR + folder + slash)
        return starts == len(self) and self.joined_names.count(b"/") == slashes * len(self)

    @cached_property
    def stamps(self) -> list[Stamp]:
        """Size and time of each file when it was read."""
        return [(size, time) for size, time in STAMP.iter_unpack(self._stamps)]

    @cached_property
    def digests(self) -> list[bytes]:
        """CRC-32 of each file, little-endian; each is empty if unknown."""
        each = [
            self._digests[i : i + DIGEST_BYTES] for i in range(0, len(self._digests), DIGEST_BYTES)
        ]
        return each or [b""] * len(self)

    @cached_property
    def contents(self) -> list[Content]:
        """What is known of each file's content."""
        sizes = (size for size, _ in self.stamps)
        return list(map(Content, sizes, self.digests))

    @cached_property
    def all_labels(self) -> array[int]:
        """`k` indices of the card's labels for each row, the most probable first."""
        labels: array[int] = array(KINDS["indices"], self.result.indices)
        return labels

    @cached_property
    def all_confidences(self) -> array[float]:
        """Their probabilities."""
        confidences: array[float] = array(KINDS["probabilities"], self.result.probabilities)
        return confidences

    @cached_property
    def labels(self) -> array[int]:
        """The model's label; of a failed row any."""
        return self.labels_at(0)

    @cached_property
    def confidences(self) -> array[float]:
        return self.confidences_at(0)

    def labels_at(self, rank: int) -> array[int]:
        """The labels of one rank; the most probable ones have rank 0."""
        return self.all_labels[rank :: self.k] if self.k > 1 else self.all_labels

    def confidences_at(self, rank: int) -> array[float]:
        return self.all_confidences[rank :: self.k] if self.k > 1 else self.all_confidences

    @cached_property
    def by_label(self) -> array[float]:
        """The probability of every label for each row, in the order of the card, of results that
        have all labels."""
        by_label = array("f", bytes(4 * len(self.all_labels)))
        starts = chain.from_iterable(repeat(at, self.k) for at in range(0, len(by_label), self.k))
        for at, value in zip(map(add, self.all_labels, starts), self.all_confidences, strict=True):
            by_label[at] = value
        return by_label

    def measured(self, column: str) -> array[float]:
        """What a worker measured of each image, as float32; `column` is one of `KINDS`."""
        return array("f", array(KINDS[column], self.result.column(column)))

    @cached_property
    def failed(self) -> int:
        """The number of rows without a label."""
        return len(self) - self.statuses.count(Status.OK.code)

    @cached_property
    def _all_given(self) -> Mapping[int, str]:
        """The labels that people gave, also to rows that failed."""
        given = self.rules.given_labels
        return {} if given is None else given.labels_by_row(self)

    @cached_property
    def given_labels(self) -> Mapping[int, str]:
        """The labels of people that count, by index."""
        decisions = self.decisions
        return {i: label for i, label in self._all_given.items() if decisions[i] == Decision.PERSON}

    @cached_property
    def excluded(self) -> bytes:
        """As `GivenLabels.excluded`."""
        given = self.rules.given_labels
        return b"" if given is None else given.excluded(self)

    @cached_property
    def decisions(self) -> bytes:
        """The `Decision` of each row."""
        rule, excluded = self.rules.acceptance, self.excluded
        every = bytes([Decision.ACCEPTED]) * len(self)
        confident = every if rule is None else self.confident(rule)
        confident, flags = (
            zeroed_where_marked(confident, excluded),
            zeroed_where_marked(self.flags, excluded),
        )
        return decide(confident, flags, self._all_given, self.statuses)

    def accepted_by(self, rule: Acceptance) -> bytes:
        """1 for each row whose model's label a rule accepts, and no person excludes, else 0. No
        person's label counts."""
        return zeroed_where_marked(self.confident(rule), self.flags, self.statuses, self.excluded)

    def confident(self, rule: Acceptance) -> bytes:
        """1 for each row whose confidence reaches the threshold of a rule, else 0."""
        if rule not in self._confident:
            self._confident[rule] = rule.confident(self.labels, self.confidences)
        return self._confident[rule]

    def row(self, i: int, top: int | None = None) -> Row:
        """One row, with at most `top` labels."""
        some = slice(i * self.k, i * self.k + min(self.k, top or self.k))
        return Row(
            self.first + i,
            self.names[i],
            self.stamps[i],
            self.digests[i],
            BY_CODE[self.statuses[i]],
            FLAGS[self.flags[i]],
            tuple(self.all_labels[some]),
            tuple(self.all_confidences[some]),
            self.given_labels.get(i, ""),
        )

    def rows(self) -> Iterator[Row]:
        """Every row, with its most probable label."""
        labels, confidences = zip(self.labels, strict=True), zip(self.confidences, strict=True)
        of_people = map(self.given_labels.get, range(len(self)), repeat(""))
        cells = zip(
            count(self.first),
            self.names,
            self.stamps,
            self.digests,
            map(BY_CODE.__getitem__, self.statuses),
            map(FLAGS.__getitem__, self.flags),
            labels,
            confidences,
            of_people,
            strict=False,
        )
        # As `Row(...)`, in a third of the time.
        return map(partial(tuple.__new__, Row), cells)


def decoded(names: bytes, message: bytes) -> BatchResult:
    """The result in a worker's message, for files with these names. Raises BadMessage."""
    return decode_result(message, names.count(_SEPARATOR) + 1)


def fold(old: RowBatch, new: RowBatch, images: Sequence[tuple[int, int]]) -> BatchResult:
    """The result of `old` with rows of `new`: (index in `new`, index in `old`). Both have the same
    k."""
    columns = {
        name: replaced(
            old.result.column(name), new.result.column(name), images, old.result.width(name)
        )
        for name in KINDS
        if name != "digests"  # the journal has them beside the result
    }
    return BatchResult.from_columns(old.k, columns)


def replaced(old: bytes, new: bytes, images: Sequence[tuple[int, int]], width: int) -> bytes:
    """`old` with the cells of `new`, `width` bytes each, at (index in `new`, index in `old`)."""
    cells = bytearray(old)
    for source, target in images:
        cells[target * width : (target + 1) * width] = new[source * width : (source + 1) * width]
    return bytes(cells)
