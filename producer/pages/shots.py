"""Images of a page with their labels, as the templates display them, and galleries of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from producer.pages.pictures import Picture


class Shot(NamedTuple):
    """One image. Texts are short enough to display (text.py)."""

    number: int  #: of its row in the table, the first is 1; 0: it is in no table
    path: str
    name: str
    label: int
    answers: list[tuple[str, float]]  #: labels and confidences, the most probable first
    truth: int | None
    truth_text: str  #: empty if it is unknown
    picture: Picture
    flag: str = ""
    doubtful: bool = False
    stated_by: str = "folder"  #: what states the truth
    person: str = ""  #: what a person said of it, in words

    @property
    def differs(self) -> bool:
        """Whether the answer is not what its truth says."""
        return self.truth is not None and self.truth != self.label


class Gallery(NamedTuple):
    """The images of one label that are displayed."""

    label: int
    text: str
    rows: int  #: of the label, displayed or not
    note: str
    shots: list[Shot]


def galleries(
    shots: Sequence[Shot],
    names: Sequence[str],
    rows: Sequence[int],
    note: Callable[[int, int], str],
    most_confident_first: bool = False,
) -> list[Gallery]:
    """A gallery for each predicted label, in their order. `rows` counts each label's images;
    `note(displayed, all)` says which of them are displayed."""
    sign = -1 if most_confident_first else 1
    of: dict[int, list[Shot]] = {}
    for shot in shots:
        of.setdefault(shot.label, []).append(shot)
    return [
        Gallery(
            label,
            names[label],
            rows[label],
            note(len(mine), rows[label]),
            sorted(mine, key=lambda shot: (sign * shot.answers[0][1], shot.number)),
        )
        for label, mine in sorted(of.items())
    ]
