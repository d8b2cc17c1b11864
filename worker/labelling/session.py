"""What a person labels next. All is in stacks: an image and its near-duplicates count as one.

First groups of alike images, since nothing is known; then images that seem to have one label, of
the label with the most doubt. Between them come images drawn by chance, on which the head is
measured, and some of those that were clicked away, to be named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from statistics import median_low
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import structs

from shared.messages.labelling import Counts, NextPage, Page
from worker.evaluation import chance_sample
from worker.heads.linear_head import Features, Labels
from worker.labelling import acceptance, kmeans
from worker.labelling.fitted import Fitted, Shares, fit

#: No decision; anything below it is one without a label: the image is left out, or a person cannot
#: tell.
NONE = -1
LEFT_OUT = -2
#: More than the kinds of images of most folders: each kind has several looks.
GROUPS = 160
#: Images of a page: of a group, the nearest to its centre; of a label; drawn by chance; alike; to
#: be named one at a time, with this number of guesses.
OF_GROUP, OF_LABEL, OF_CHANCE, ALIKE, TO_NAME, PROPOSALS = 5, 24, 6, 23, 6, 3
#: The share of groups with a decision before there are pages of a label: at most about 150
#: decisions. With 44 kinds, heads were right up to 10 points more often by then than with a third
#: of the groups, or with pages of groups and labels in turn; with 10 kinds, as often.
FIRST_GROUPS = 0.5
#: What each image of a group counts beside its doubt when the next group is chosen. With 0, rare
#: looks came first and a head of many kinds learned late; without doubt, one of few kinds did.
ANY_IMAGE = 0.3
#: After this number of decisions on other pages there is a page drawn by chance, and after this
#: number of pages one of images that were clicked away. With 13, of 44 kinds the stated range was
#: too narrow in 9 of 30 draws; heads were as often right.
BETWEEN_CHANCE, BETWEEN_NAMING = 10, 3
#: Of how many heads the median is the number of images that are sure: it jumps from head to head.
SMOOTHED = 5

SMALLEST_WEIGHT = 1e-6

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def _decisions(labels: Labels) -> int:
    """Those that a page took: one for its most frequent label, one for each image with another."""
    given = labels[labels != NONE]
    return 1 + len(given) - int(np.unique(given, return_counts=True)[1].max()) if len(given) else 0


class _Learned(NamedTuple):
    """What the head knows; in one piece, since a thread fits it behind the pages."""

    decided: Labels  #: by a person
    labels: Labels  #: that it has learned
    excluded: Mapping[int, Sequence[int]]  #: labels that a stack does not have
    fitted: Fitted | None = None  #: None without two labels
    shown: Fitted | None = None  #: the best guesses that are not excluded, as sure as without these


class Session:
    """The decisions so far about stacks [m], with rows float32 [m, k] and sizes [m]."""

    def __init__(self, rows: Features, sizes: Numbers, seed: int = 0) -> None:
        self._rows, self._sizes, self._seed = rows, sizes, seed
        self._decided = np.full(len(rows), NONE, np.int64)
        self._by_chance = np.zeros(len(rows), bool)
        self._suggested = np.full(len(rows), NONE, np.int64)
        self._excluded: dict[int, Sequence[int]] = {}  #: labels, by stack
        self._learned = _Learned(self._decided, self._suggested, {})
        self._chances: Shares = np.zeros(len(rows), np.float32)  #: that the guesses are right
        #: The number of images of whose labels each of the last heads was sure.
        self._sure: list[int] = []
        self._right: chance_sample.Share | None = None  #: of stacks without a decision
        #: Of the decisions before the next page by chance, and of the pages before the next one of
        #: images that were clicked away, the share so far.
        self._since_chance = self._since_naming = 0.0

    def decide(
        self,
        stacks: Numbers,
        labels: Labels,
        by_chance: Flags,
        excluded: Sequence[Sequence[int]] = (),
    ) -> None:
        """Note decisions: a label's number, NONE, or less for one without a label; and the labels
        that each stack does not have, none by default."""
        self._since_chance += _decisions(labels[~by_chance]) / BETWEEN_CHANCE
        self._decided[stacks] = labels
        self._by_chance[stacks] = by_chance
        for stack, names in zip(stacks.tolist(), excluded or [()] * len(stacks), strict=True):
            if names:
                self._excluded[stack] = names
            else:
                self._excluded.pop(stack, None)

    def suggest(self, stacks: Numbers, labels: Labels) -> None:
        """Note labels of a model, which count as long as nothing is decided."""
        self._suggested[stacks] = labels

    def learn(self) -> None:
        """Fit the head again, if there are two labels."""
        decided, excluded = self._decided.copy(), dict(self._excluded)
        is_open = decided == NONE
        labels = np.where(is_open, self._suggested, decided)
        known = labels[labels >= 0]
        several = len(np.unique(known)) > 1
        fitted = shown = None
        if several:
            fitted = fit(self._rows, labels, int(known.max()) + 1).blind(is_open)
            away = {stack: names for stack, names in excluded.items() if is_open[stack]}
            shown = fitted.without(self._rows, away)
        self._learned = _Learned(decided, labels, excluded, fitted, shown)

    @property
    def learned(self) -> tuple[Labels, Fitted | None]:
        """The decisions that the head knows, and the head, if there is one."""
        return self._learned.decided, self._learned.fitted

    @property
    def denied(self) -> Flags:
        """Of stacks, which do not have the label that the head takes them for."""
        learned = self._learned
        if learned.fitted is None:
            return np.zeros(len(self._rows), bool)
        return acceptance.denied(learned.decided, learned.excluded, learned.fitted)

    def judge(self) -> None:
        """Compute what the head is sure of, and what is right of the stacks without a decision,
        after what `learn` knows."""
        learned = self._learned
        fitted, chances = learned.fitted, np.zeros(len(self._rows), np.float32)
        if fitted is not None:
            said = learned.decided, learned.excluded, self._by_chance
            judged = acceptance.judged(*said, fitted)
            groups = self._groups.of
            chances = acceptance.chances(self._rows, learned.labels, judged, groups, fitted)
        self._chances = chances
        self._right = None if fitted is None else self._right_of_others(learned, fitted)
        self._sure = [*self._sure, int(self._sizes[self.surest].sum())][-SMOOTHED:]

    def next(self, wanted: NextPage) -> Page:
        """The next page, which leaves out these stacks: another tab has them."""
        free = self._decided == NONE
        free[np.array(wanted.without, np.int64)] = False
        away = np.zeros(len(free), bool)
        away[list(self._excluded)] = True
        away &= free
        if not free.any():
            return Page("end")
        if (away & self._by_chance).any():
            return self._naming(away & self._by_chance)
        if away.any() and (self._since_naming > 0.99 or not (free & ~away).any()):
            self._since_naming = 0.0
            return self._naming(away)
        page = self._of_others(free, free & ~away)
        self._since_naming += 1 / BETWEEN_NAMING
        return page

    def _of_others(self, free: Flags, unseen: Flags) -> Page:
        """A page of stacks that were not clicked away, or one drawn by chance of all."""
        fitted = self._learned.shown
        if fitted is None:
            return self._group(unseen) or self._chance(free, OF_LABEL)
        if self._since_chance > 0.99:
            self._since_chance = 0.0
            return self._chance(free, OF_CHANCE)
        page = self._group(unseen) if self._groups_first else None
        return page or self._of_label(unseen, fitted)

    def similar(self, stack: int) -> Page:
        """The stacks that are most like one, the stack itself first."""
        apart = np.square(self._rows - self._rows[stack]).sum(1)
        apart[stack] = -1
        return self._page("similar", np.argsort(apart, kind="stable")[: ALIKE + 1])

    def together(self, label: int) -> Page:
        """The stacks of a label, the most unlike the others first: those that heads which did not
        learn from them take for another label, the most confident first."""
        mine = np.flatnonzero(self._decided == label)
        rows, fitted = self._rows[mine], self._learned.fitted
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
        """What is decided, what is right of the others, and what the head is sure of."""
        named = int(self._sizes[self._decided >= 0].sum())
        without = int(self._sizes[self._decided < NONE].sum())
        drawn = int(self._judged_by_chance(self._decided).sum())
        images, right = int(self._sizes.sum()), self._right
        sure = min(median_low(self._sure or [0]), images - named - without)
        if right is None:
            return Counts(images, named, without, sure, drawn)
        return Counts(images, named, without, sure, drawn, right.share, right.low, right.high)

    @property
    def surest(self) -> Numbers:
        """The stacks without a decision that the head is sure of at 95 %."""
        free = np.flatnonzero(self._decided == NONE)
        return free[acceptance.surest(self._chances[free], self._sizes[free])]

    def _judged_by_chance(self, decided: Labels) -> Flags:
        """The stacks by which the others are judged: no guess is right of one that is left out, and
        there are more like it; nothing is known where a person cannot tell."""
        judged: Flags = self._by_chance & ((decided >= 0) | (decided == LEFT_OUT))
        return judged

    def _right_of_others(self, learned: _Learned, fitted: Fitted) -> chance_sample.Share | None:
        drawn = np.flatnonzero(self._judged_by_chance(learned.decided))
        blind = fitted.unlearned(self._rows, learned.labels, drawn)
        sample = chance_sample.Sample(blind.guesses == learned.decided[drawn], blind.confidences)
        denied = acceptance.denied(learned.decided, learned.excluded, fitted)
        assert learned.shown is not None
        confidences = np.where(denied, 0, learned.shown.confidences)
        free = learned.decided == NONE
        return chance_sample.share_right(sample, confidences[free], self._sizes[free])

    @cached_property
    def _groups(self) -> kmeans.Groups:
        return kmeans.kmeans(self._rows, kmeans.count(len(self._rows), GROUPS), self._seed)

    @property
    def _groups_first(self) -> bool:
        """Whether there are pages of groups before those of labels."""
        seen = len(np.unique(self._groups.of[self._decided != NONE]))
        return seen < FIRST_GROUPS * len(np.unique(self._groups.of))

    def _group(self, free: Flags) -> Page | None:
        """The next group that no decision is about; None if there is none. Of its stacks those that
        seem to have the same label: one that seems to have another costs a decision of its own."""
        of, fitted = self._groups.of, self._learned.shown
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

    def _naming(self, away: Flags) -> Page:
        """Stacks that were clicked away, each as likely as another, with their best guesses."""
        places = np.flatnonzero(away)
        stacks = self._drawn(places, np.ones(len(places)), TO_NAME)
        page, fitted = self._page("naming", stacks), self._learned.shown
        if fitted is None:
            return page
        excluded = [self._excluded[stack] for stack in page.stacks]
        return structs.replace(page, proposals=fitted.best(self._rows[stacks], excluded, PROPOSALS))

    def _chance(self, free: Flags, most: int) -> Page:
        """Stacks without a decision, each image as likely as another."""
        places = np.flatnonzero(free)
        return self._page("chance", self._drawn(places, self._sizes[places], most))

    def _of_label(self, free: Flags, fitted: Fitted) -> Page:
        """Stacks that seem to have the label with the most doubt, those in doubt more likely. By
        chance, since those that are most in doubt are alike."""
        doubts = np.maximum(1 - fitted.confidences, SMALLEST_WEIGHT)
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
        fitted = self._learned.shown
        blank = [NONE] * len(stacks)
        guesses = blank if fitted is None else fitted.guesses[stacks].tolist()
        shares = [0.0] * len(stacks) if fitted is None else fitted.confidences[stacks].tolist()
        return Page(kind, label, stacks.tolist(), guesses, shares)  # type: ignore[arg-type]
