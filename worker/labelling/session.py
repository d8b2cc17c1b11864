"""What a person labels next. All is in stacks: an image and its near-duplicates count as one.

First groups of alike images, since nothing is known; then images that seem to have one label, of
the label with the most doubt; now and then images drawn by chance, on which the head is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.pipes.labelling import Counts, NextPage, Page
from worker.labelling import acceptance, kmeans
from worker.labelling.fitted import Fitted, Shares, fit
from worker.labelling.forecast import NOT_KNOWN, Forecast
from worker.photo_head.linear_head import Features, Labels

#: No decision; anything below it is one without a label.
NONE = -1
#: More than the kinds of images of most folders: each kind has several looks.
GROUPS = 160
#: Images of a page: of a group, the nearest to its centre; of a label; drawn by chance; alike.
OF_GROUP, OF_LABEL, OF_CHANCE, ALIKE = 5, 24, 6, 23
#: The share of groups of which an image has a decision before there are pages of a label: about 150
#: decisions. With 44 kinds, heads were right up to 10 points more often by then than with a third
#: of the groups, or with pages of groups and labels in turn; with 10 kinds, as often.
FIRST_GROUPS = 0.5
#: What each image of a group counts beside its doubt when the next group is chosen. With 0, rare
#: looks came first and a head of many kinds learned late; without doubt, one of few kinds did.
ANY_IMAGE = 0.3
#: After this number of pages of groups, or of labels, there is one drawn by chance.
BETWEEN_OF_GROUPS, BETWEEN_OF_LABELS = 24, 4

SMALLEST_WEIGHT = 1e-6
#: As many wrong images as expected, beside those drawn by chance, so that a few of these change no
#: forecast much.
AS_EXPECTED = 10

Numbers = npt.NDArray[np.int64]


def _decisions(labels: Labels, by_chance: npt.NDArray[np.bool_]) -> int:
    """Those that a page took: one for its most frequent label, one for each image with another, and
    one for each that was drawn by chance."""
    alike = labels[(labels != NONE) & ~by_chance]
    drawn = int((by_chance & (labels != NONE)).sum())
    if not len(alike):
        return drawn
    return drawn + 1 + len(alike) - int(np.unique(alike, return_counts=True)[1].max())


class _Learned(NamedTuple):
    """What the head knows."""

    decisions: int
    decided: Labels  #: by a person
    labels: Labels  #: that it has learned


class Session:
    """The decisions so far about stacks [m], with rows float32 [m, k] and sizes [m]."""

    def __init__(self, rows: Features, sizes: Numbers, seed: int = 0) -> None:
        self._rows, self._sizes, self._seed = rows, sizes, seed
        self._decided = np.full(len(rows), NONE, np.int64)
        self._by_chance = np.zeros(len(rows), bool)
        self._suggested = np.full(len(rows), NONE, np.int64)
        self._excluded: dict[int, Sequence[int]] = {}  #: labels, by stack
        self._decisions = 0
        self._fitted: Fitted | None = None
        self._learned = _Learned(0, self._decided, self._suggested)
        self._chances: Shares = np.zeros(len(rows), np.float32)  #: that the guesses are right
        self._forecast, self._gain = Forecast(rows, sizes), NOT_KNOWN
        self._since_check = 0.0  #: of the pages between two drawn by chance, the share so far

    def decide(
        self,
        stacks: Numbers,
        labels: Labels,
        by_chance: npt.NDArray[np.bool_],
        excluded: Sequence[Sequence[int]] = (),
    ) -> None:
        """Note decisions: a label's number, NONE, or less for one without a label; and the labels
        that each stack does not have, none by default."""
        self._excluded.update(zip(stacks.tolist(), excluded or [()] * len(stacks), strict=True))
        self._decisions += _decisions(labels, by_chance)
        self._decisions -= _decisions(self._decided[stacks], self._by_chance[stacks])
        self._decided[stacks] = labels
        self._by_chance[stacks] = by_chance

    def suggest(self, stacks: Numbers, labels: Labels) -> None:
        """Note labels of a model, which count as long as nothing is decided."""
        self._suggested[stacks] = labels

    def learn(self) -> None:
        """Fit the head again, if there are two labels."""
        decisions, decided = self._decisions, self._decided.copy()
        is_open = decided == NONE
        labels = np.where(is_open, self._suggested, decided)
        known = labels[labels >= 0]
        several = len(np.unique(known)) > 1
        fitted = fit(self._rows, labels, int(known.max()) + 1) if several else None
        self._fitted = None if fitted is None else fitted.blind(is_open)
        self._learned = _Learned(decisions, decided, labels)

    @property
    def learned(self) -> tuple[Labels, Fitted | None]:
        """The decisions that the head knows, and the head, if there is one."""
        return self._learned.decided, self._fitted

    def judge(self) -> None:
        """Compute what the head is sure of, after what `learn` knows."""
        fitted, learned = self._fitted, self._learned
        if fitted is None:
            self._chances = np.zeros(len(self._rows), np.float32)
        else:
            named, groups = learned.decided >= 0, self._groups.of
            self._chances = acceptance.chances(self._rows, learned.labels, named, groups, fitted)

    def foresee(self) -> None:
        """Compute what the next 50 decisions would bring, after what `learn` knows."""
        if self._fitted is None:
            self._gain = NOT_KNOWN
        else:
            decisions, labels, _ = self._learned
            drawn = self._drawn_by_chance(self._fitted)
            wrong = int((self._fitted.out_of_fold != labels)[drawn].sum())
            expected = float((1 - self._fitted.expected[drawn]).sum())
            oftener = (wrong + AS_EXPECTED) / (expected + AS_EXPECTED)
            self._gain = self._forecast.after(decisions, labels, self._fitted, oftener)

    def next(self, wanted: NextPage) -> Page:
        """The next page, which leaves out these stacks: another tab has them."""
        free = self._decided == NONE
        free[np.array(wanted.without, np.int64)] = False
        if not free.any():
            return Page("end")
        fitted = self._fitted
        if fitted is None:
            return self._group(free) or self._chance(free, OF_LABEL)
        if self._since_check > 0.99:
            self._since_check = 0.0
            return self._chance(free, OF_CHANCE)
        page = self._group(free) if self._groups_first else None
        self._since_check += 1 / (BETWEEN_OF_GROUPS if page else BETWEEN_OF_LABELS)
        return page or self._of_label(free, fitted)

    def similar(self, stack: int) -> Page:
        """The stacks that are most like one, the stack itself first."""
        apart = np.square(self._rows - self._rows[stack]).sum(1)
        apart[stack] = -1
        return self._page("similar", np.argsort(apart, kind="stable")[: ALIKE + 1])

    def together(self, label: int) -> Page:
        """The stacks of a label, the most unlike the others first: those that heads which did not
        learn from them take for another label, the most confident first."""
        mine = np.flatnonzero(self._decided == label)
        rows, fitted = self._rows[mine], self._fitted
        if not len(mine):
            return Page("together", label)
        apart = np.square(rows - rows.mean(0)).sum(1)
        guesses, shares = np.full(len(mine), NONE), np.zeros(len(mine), np.float32)
        if fitted is not None:
            guesses, shares = fitted.out_of_fold[mine], fitted.expected[mine]
        order = np.lexsort([-apart, np.where(guesses == label, shares, -shares)])
        columns = mine[order].tolist(), guesses[order].tolist(), shares[order].tolist()
        return Page("together", label, *columns)

    def counts(self) -> Counts:
        """What is decided, and what the head is sure of."""
        named = int(self._sizes[self._decided >= 0].sum())
        without = int(self._sizes[self._decided < NONE].sum())
        images, fitted = int(self._sizes.sum()), self._fitted
        if fitted is None:
            return Counts(images, named, without)
        more = int(self._sizes[self.surest].sum())
        return Counts(images, named, without, more, *self._checked(fitted), *self._gain)

    @property
    def surest(self) -> Numbers:
        """The stacks without a decision that the head is sure of at 95 %."""
        free = np.flatnonzero(self._decided == NONE)
        return free[acceptance.surest(self._chances[free], self._sizes[free])]

    def _drawn_by_chance(self, fitted: Fitted) -> npt.NDArray[np.bool_]:
        """Of stacks, which were drawn by chance, and are named."""
        return self._by_chance & (self._decided >= 0) & (fitted.out_of_fold >= 0)

    def _checked(self, fitted: Fitted) -> tuple[int, int, float, float]:
        """The stacks that were drawn by chance and named, those of them that were guessed right by
        heads that had not learned from them, and from these the share that is right of the images
        without a decision, with its standard error.

        It is their mean confidence, corrected by how much the guesses of the drawn stacks were
        better than their confidences. So it does not matter that stacks in doubt, which were drawn
        as well, were decided since.
        """
        drawn = self._drawn_by_chance(fitted)
        right = (fitted.out_of_fold == self._decided)[drawn]
        free = self._decided == NONE
        if not drawn.any() or not free.any():
            return int(drawn.sum()), int(right.sum()), 1.0, 0.0
        expected = fitted.expected[drawn]
        mean = float(expected.mean())
        # A right and a wrong one beside those that were seen, so that a dozen right ones prove
        # no certainty.
        better = np.concatenate([right - expected, [1 - mean, -mean]])
        share = np.average(fitted.confidences[free], weights=self._sizes[free]) + better.mean()
        error = float(better.std() / np.sqrt(len(better)))
        return int(drawn.sum()), int(right.sum()), float(np.clip(share, 0, 1)), error

    @cached_property
    def _groups(self) -> kmeans.Groups:
        return kmeans.kmeans(self._rows, kmeans.count(len(self._rows), GROUPS), self._seed)

    @property
    def _groups_first(self) -> bool:
        """Whether there are pages of groups before those of labels."""
        seen = len(np.unique(self._groups.of[self._decided != NONE]))
        return seen < FIRST_GROUPS * len(np.unique(self._groups.of))

    def _group(self, free: npt.NDArray[np.bool_]) -> Page | None:
        """The next group that no decision is about; None if there is none. Of its stacks those that
        seem to have the same label: one that seems to have another costs a decision of its own."""
        of, fitted = self._groups.of, self._fitted
        worth = np.full(len(of), ANY_IMAGE)
        if fitted is not None:
            worth += 1 - fitted.confidences
        worths = np.bincount(of, worth)
        worths[of[~free]] = 0
        if not worths.any():
            return None
        mine, label = np.flatnonzero(of == worths.argmax()), NONE
        if fitted is not None:
            label = int(np.bincount(fitted.guesses[mine]).argmax())
            mine = mine[fitted.guesses[mine] == label]
        nearest = mine[np.argsort(self._groups.distances[mine], kind="stable")][:OF_GROUP]
        return self._page("group", nearest, label)

    def _chance(self, free: npt.NDArray[np.bool_], most: int) -> Page:
        """Stacks without a decision, each image as likely as another."""
        places = np.flatnonzero(free)
        return self._page("chance", self._drawn(places, self._sizes[places], most))

    def _of_label(self, free: npt.NDArray[np.bool_], fitted: Fitted) -> Page:
        """Stacks that seem to have the label with the most doubt, those in doubt more likely. By
        chance, since those that are most in doubt are alike."""
        doubts = 1 - fitted.confidences
        label = int(np.bincount(fitted.guesses[free], doubts[free]).argmax())
        mine = np.flatnonzero(free & (fitted.guesses == label))
        return self._page("label", self._drawn(mine, doubts[mine], OF_LABEL), label)

    def _drawn(self, places: Numbers, weights: npt.NDArray[np.number], most: int) -> Numbers:
        """Some of the places by chance, in proportion to their weights; the same after the same
        number of decisions."""
        chance = np.random.default_rng([self._seed, int((self._decided != NONE).sum())])
        waits = chance.exponential(size=len(places)) / np.maximum(weights, SMALLEST_WEIGHT)
        return places[np.argsort(waits, kind="stable")[:most]]

    def _page(self, kind: str, stacks: Numbers, label: int = NONE) -> Page:
        fitted = self._fitted
        blank = [NONE] * len(stacks)
        guesses = blank if fitted is None else fitted.guesses[stacks].tolist()
        shares = [0.0] * len(stacks) if fitted is None else fitted.confidences[stacks].tolist()
        return Page(kind, label, stacks.tolist(), guesses, shares)  # type: ignore[arg-type]
