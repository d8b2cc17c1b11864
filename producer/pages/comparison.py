"""`hangtag compare`: which of two tables over the same images is right, and where they differ."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import nsmallest
from pathlib import Path

import msgspec

from producer.job.folder_labels import FolderLabels, LabelPairs
from producer.job.row_batch import Row, Rules
from producer.job.sealed_journal import SealedJournal
from producer.pages.paired_rows import Pair, is_same_content, paired, rows
from producer.table.person_labels import labels_now
from shared.errors import UsageError
from shared.labels.class_folders import folded, folder_of
from shared.messages.files import printable

#: A difference that chance makes less often than this is called one.
SIGNIFICANT = 0.05
#: Further terms do not change the sum.
_NEGLIGIBLE = 1e-17
#: Files that are named as examples.
EXAMPLES = 3
#: The most frequent disagreements in a comparison; a page or a program needs no more.
MAX_CONFUSIONS = 100


class BothLabels:
    """Labels of both models with the same folder are one, unless a model has two of them. Labels
    that people gave follow."""

    def __init__(
        self, labels_a: Sequence[str], labels_b: Sequence[str], given: Sequence[str] = ()
    ) -> None:
        apart = {folder for labels in (labels_a, labels_b) for folder in _shared(labels)}

        def key(label: str) -> tuple[str, str]:
            folder = _folder(label)
            return (folder, label if folder in apart else "")

        number: dict[tuple[str, str], int] = {}
        for label in (*labels_a, *labels_b):
            number.setdefault(key(label), len(number))
        self.of_a = [number[key(label)] for label in labels_a]  #: by the model's own index
        self.of_b = [number[key(label)] for label in labels_b]
        self.in_common = len({*self.of_a} & {*self.of_b})
        as_in_a = {key(label): label for label in reversed((*labels_a, *labels_b))}
        as_in_b = {key(label): label for label in reversed((*labels_b, *labels_a))}
        #: Folders may be named as either model has it.
        self._folders = [
            FolderLabels([names[own] for own in number]) for names in (as_in_a, as_in_b)
        ]
        self.of_given = {label: number.setdefault(key(label), len(number)) for label in given}
        as_given = {key(label): label for label in given}
        #: As the first model has them.
        self.labels = [as_in_a.get(own) or as_given[own] for own in number]

    def of_folder(self, path: bytes) -> int | None:
        """The index of the label that a file's own folder is named like."""
        labels = (folders.label_of(path) for folders in self._folders)
        return next((label for label in labels if label is not None), None)


def _folder(label: str) -> str:
    return folded(folder_of(label))


def _shared(labels: Sequence[str]) -> set[str]:
    """The folders that more than one label of a model would have."""
    return {folder for folder, count in Counter(map(_folder, labels)).items() if count > 1}


def p_value(only_a: int, only_b: int) -> float:
    """McNemar's exact test (Psychometrika 12, 1947), by the images that only one of two classifiers
    gets right: the probability of a split at least as uneven if both were equally good. It is twice
    the tail of a binomial distribution with probability 1/2, exactly, for any numbers."""
    count, least = only_a + only_b, min(only_a, only_b)
    if only_a == only_b:
        return 1.0
    # The tail from its largest term on, relative to that term: no power of 2 underflows.
    log_term = (
        math.lgamma(count + 1)
        - math.lgamma(least + 1)
        - math.lgamma(count - least + 1)
        - count * math.log(2)
    )
    term = total = 1.0
    for i in range(least, 0, -1):
        term *= i / (count - i + 1)
        total += term
        if term < _NEGLIGIBLE * total:
            break
    return min(1.0, 2 * math.exp(log_term) * total)


class Tally:
    """Counts pairs. Labels are indices of `labels`: those of both models, and those that people
    gave, without doubles."""

    def __init__(
        self, labels_a: Sequence[str], labels_b: Sequence[str], given: Collection[str] = ()
    ) -> None:
        """`given` are the labels that people gave."""
        self._both = BothLabels(labels_a, labels_b, sorted(given))
        self.labels, self.labels_in_common = self._both.labels, self._both.in_common
        count = len(self.labels)
        self.only_a, self.only_b = 0, 0  #: rows without a partner
        self.examples_a: list[bytes] = []
        self.examples_b: list[bytes] = []
        self.both = 0  #: files with a row in both tables
        self.changed = 0  #: those with a label in both whose content differs
        self.failed_a = self.failed_b = self.failed_both = 0
        self.labelled = self.agreed = 0  #: with a label in both; the same one
        self.counts_a, self.counts_b = _zeros(count), _zeros(count)
        self.agreed_on = _zeros(count)
        self.judged_by_people = 0
        #: By the label that the folder states, or a person, of pairs with a label in both.
        self.judged, self.right_a, self.right_b = _zeros(count), _zeros(count), _zeros(count)
        self.right_both = _zeros(count)
        self.differ_wrong = 0  #: judged images with two different labels, both of them wrong
        self.pairs = LabelPairs(count)  #: label in A, label in B

    def add(self, pair: Pair) -> ComparedRows | None:
        """Count a pair; returned if it has a label in both tables."""
        a, b = pair
        if a is None or b is None:
            self._add_alone(pair)
            return None
        self.both += 1
        if a.has_failed or b.has_failed:
            self.failed_both += a.has_failed and b.has_failed
            self.failed_a += not b.has_failed
            self.failed_b += not a.has_failed
            return None
        if not is_same_content(a, b):
            self.changed += 1
            return None
        return self._add_labelled(a, b)

    def _add_alone(self, pair: Pair) -> None:
        if pair.a is not None:
            self.only_a += 1
            if self.only_a <= EXAMPLES:
                self.examples_a.append(pair.a.name)
        elif pair.b is not None:
            self.only_b += 1
            if self.only_b <= EXAMPLES:
                self.examples_b.append(pair.b.name)

    def _add_labelled(self, a: Row, b: Row) -> ComparedRows:
        label_a, label_b = self._both.of_a[a.label], self._both.of_b[b.label]
        self.labelled += 1
        self.counts_a[label_a] += 1
        self.counts_b[label_b] += 1
        if label_a == label_b:
            self.agreed += 1
            self.agreed_on[label_a] += 1
        self.pairs.add(label_a, label_b)
        truth, by_person = self._both.of_folder(a.name), False
        given = {a.person, b.person} - {""}
        if truth is None and len(given) == 1:  # two labels contradict each other
            truth, by_person = self._both.of_given[given.pop()], True
        if truth is not None:
            self.judged_by_people += by_person
            self.judged[truth] += 1
            self.right_a[truth] += label_a == truth
            self.right_b[truth] += label_b == truth
            self.right_both[truth] += label_a == label_b == truth
            self.differ_wrong += len({label_a, label_b, truth}) == 3
        return ComparedRows(a, b, label_a, label_b, truth, by_person)


class ComparedRows:
    """Two rows with labels, as indices of the labels of both models."""

    __slots__ = ("a", "b", "by_person", "label_a", "label_b", "truth")

    def __init__(
        self,
        a: Row,
        b: Row,
        label_a: int,
        label_b: int,
        truth: int | None,
        by_person: bool,
    ) -> None:
        self.a, self.b, self.label_a, self.label_b = a, b, label_a, label_b
        self.truth, self.by_person = truth, by_person  #: of a person, or of the folder's name


def _zeros(count: int) -> array[int]:
    return array("Q", bytes(8 * count))


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
