"""Simulated persons who label unsorted photos: they know the truth of each, and count decisions.

A decision is one for a page, and one for each photo that is named alone.

`names` names every photo of a page: what most of them are, then each other one alone. `clicks` does
what README teaches: it clicks the wrong ones away, and names what comes back. `careless` does the
same, but overlooks one wrong photo in twenty, and mistypes one name in a hundred.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.messages.labelling import NO_LABEL, NextPage
from shared.messages.replies import FolderFeatures
from worker.labelling.__main__ import session_of
from worker.labelling.session import NONE, Session

PERSONS = ("names", "clicks", "careless")
#: Of `careless`.
OVERLOOKED, MISTYPED = 1 / 20, 1 / 100

Labels = npt.NDArray[np.int64]


class Photos(NamedTuple):
    """The photos of a folder, and the truth that only the person knows."""

    features: FolderFeatures
    truth: Labels  #: [images]

    @property
    def stacks(self) -> Labels:
        """The stack of each image."""
        return np.frombuffer(self.features.stacks, "<u4").astype(np.int64)

    @property
    def of_stack(self) -> Labels:
        """The truth about the first image of each stack, which the person sees."""
        return self.truth[np.unique(self.stacks, return_index=True)[1]]


class Shown(NamedTuple):
    """A page. Labels are classes of the truth, or NONE."""

    why: str
    label: int  #: that Enter gives to all
    stacks: tuple[int, ...]
    guesses: tuple[int, ...]


class Answer(NamedTuple):
    """What a person says about a photo: its label, or with `is_not` one that it does not have."""

    label: int
    is_not: bool = False

    @property
    def kind(self) -> str:
        """As a line of the labels file has it."""
        return "not-this" if self.is_not else "label"


class _Hand:
    """What a person does on pages."""

    def __init__(self, person: str, truth: Labels, seed: int) -> None:
        self._person, self._truth = person, truth
        self._chance = np.random.default_rng([seed, 1])
        self._known: list[int] = []  #: labels that have been typed
        self.decisions = 0

    def on(self, page: Shown) -> list[Answer]:
        """The answers to a page, which are counted."""
        truth = self._truth[list(page.stacks)]
        if page.why == "naming" or (page.why == "chance" and NONE in page.guesses):
            return [self._alone(label) for label in truth.tolist()]
        self.decisions += 1
        if page.why == "chance":
            offered = list(page.guesses)
        else:
            offered = [self._name_of(page, truth)] * len(truth)
        return [self._one(*pair) for pair in zip(truth.tolist(), offered, strict=True)]

    def _name_of(self, page: Shown, truth: Labels) -> int:
        """What most photos of a page are; it is typed if it is not what the page offers."""
        label = int(np.bincount(truth).argmax())
        return label if label == page.label else self._typed(label)

    def _one(self, label: int, offered: int) -> Answer:
        if label == offered or (self._is_careless and self._chance.random() < OVERLOOKED):
            return Answer(offered)
        return self._alone(label) if self._person == "names" else Answer(offered, is_not=True)

    def _alone(self, label: int) -> Answer:
        self.decisions += 1
        return Answer(self._typed(label))

    def _typed(self, label: int) -> int:
        """The label, or by mistake another one."""
        if self._is_careless and len(self._known) > 1 and self._chance.random() < MISTYPED:
            label = int(self._chance.choice([known for known in self._known if known != label]))
        if label not in self._known:
            self._known.append(label)
        return label

    @property
    def _is_careless(self) -> bool:
        return self._person == "careless"


def answered(pages: SessionPages, photos: Photos, person: str, seed: int) -> Iterator[int]:
    """The number of decisions after each page that the person has answered."""
    page, hand = pages.first(), _Hand(person, photos.of_stack, seed)
    while page.why != "end":
        page = pages.answer(page, hand.on(page))
        yield hand.decisions


class Reached(NamedTuple):
    """What some decisions brought. Shares of all photos, but those of the others and accepted."""

    right: float = 0.0
    named: int = 0  #: photos
    drawn: int = 0  #: by chance
    right_of_others: float | None = None  #: None: there are no others
    stated: float | None = None  #: of the others, with its range
    low: float | None = None
    high: float | None = None
    accepted: int = 0  #: photos without a decision, and the head is sure
    right_among_accepted: float | None = None


class SessionPages:
    """The functions behind the page, in this process."""

    def __init__(self, photos: Photos, seed: int) -> None:
        self._photos = photos
        self.session: Session = session_of(photos.features, seed)
        self._classes: list[int] = []  #: by the number of the label, in the order of the first use
        self._given: dict[int, int] = {}  #: classes, by stack
        self._excluded: dict[int, list[int]] = {}
        self._by_chance: set[int] = set()

    def first(self) -> Shown:
        """The first page."""
        return self._next()

    def answer(self, page: Shown, answers: Sequence[Answer]) -> Shown:
        """Save the answers to a page, and show the next one."""
        for stack, (label, is_not) in zip(page.stacks, answers, strict=True):
            number = self._number(label)
            if is_not:
                self._excluded.setdefault(stack, []).append(number)
            else:
                self._given[stack] = label
        labels = [NONE if answer.is_not else self._number(answer.label) for answer in answers]
        chance = np.array(
            [page.why == "chance" or stack in self._by_chance for stack in page.stacks]
        )
        self._by_chance.update(stack for stack, by in zip(page.stacks, chance, strict=True) if by)
        excluded = [self._excluded.get(stack, []) for stack in page.stacks]
        self.session.decide(np.array(page.stacks), np.array(labels), chance, excluded)
        self.session.learn()
        return self._next()

    def _next(self) -> Shown:
        page = self.session.next(NextPage())
        guesses = tuple(map(self._class, page.guesses))
        return Shown(page.why, self._class(page.label), tuple(page.stacks), guesses)

    def _number(self, label: int) -> int:
        if label not in self._classes:
            self._classes.append(label)
        return self._classes.index(label)

    def _class(self, number: int) -> int:
        return NONE if number == NO_LABEL else self._classes[number]

    def answers_of(self, stack: int) -> list[Answer]:
        """What the person has said about a stack so far."""
        excluded = [
            Answer(self._class(name), is_not=True) for name in self._excluded.get(stack, ())
        ]
        given = [Answer(self._given[stack])] if stack in self._given else []
        return excluded + given

    def was_drawn(self, stack: int) -> bool:
        """Whether chance drew a stack that the person has answered."""
        return stack in self._by_chance

    def reached(self) -> Reached:
        """After the pages so far."""
        self.session.judge()
        return _reached(self._photos, self._classes, self.session)


def reached(photos: Photos, order: Sequence[int], marks: Sequence[int]) -> list[Reached]:
    """After the person has named this number of stacks one at a time, in this order."""
    session, truth = session_of(photos.features, 0), photos.of_stack
    seen = []
    for mark in marks:
        stacks = np.array(order[:mark])
        session.decide(stacks, truth[stacks], np.ones(len(stacks), bool))
        session.learn()
        session.judge()
        seen.append(_reached(photos, range(int(truth.max()) + 1), session))
    return seen


def _reached(photos: Photos, classes: Sequence[int], session: Session) -> Reached:
    """What a person has named is right if its name is, and of the others what the head takes them
    for; a guess that the person has denied is wrong."""
    decided, fitted = session.learned
    stacks, truth = photos.stacks, photos.of_stack
    of_number = np.array([*classes, NONE])
    guesses = of_number[
        decided if fitted is None else np.where(decided >= 0, decided, fitted.guesses)
    ]
    right = ((guesses == truth) & ~session.denied)[stacks]
    named, counts = (decided >= 0)[stacks], session.counts()
    accepted = np.isin(stacks, session.surest)
    return Reached(
        float(right.mean()), int(named.sum()), counts.drawn, _mean(right[~named]),
        counts.share, counts.low, counts.high, int(accepted.sum()),
        _mean(right[accepted]),
    )  # fmt: skip


def _mean(right: npt.NDArray[np.bool_]) -> float | None:
    return float(right.mean()) if len(right) else None


def by_chance(photos: Photos, seed: int) -> Iterator[int]:
    """Stacks one at a time, drawn by chance."""
    yield from np.random.default_rng(seed).permutation(len(photos.of_stack)).tolist()
