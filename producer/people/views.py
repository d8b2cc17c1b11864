"""Which rows a page shows, and in which order."""

from __future__ import annotations

import enum
from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple

from producer.people.answer_arrays import NO_LABEL, Answers
from producer.rows.acceptance import Acceptance


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
