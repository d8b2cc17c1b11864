"""The figures of a comparison: one pass over the pairs, in memory bounded by the labels."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence

from producer.compare.both_labels import BothLabels
from producer.compare.paired_rows import Pair, is_same_content
from producer.rows.folder_labels import LabelPairs
from producer.rows.row_batch import Row

#: Files that are named as examples.
EXAMPLES = 3


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
