"""Images of a page as the templates display them: with pictures in groups, or as lists of files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from producer.job.row_batch import Row
from producer.pages import text
from shared.messages.helpers import Thumbnail


class Answer(NamedTuple):
    """The label that an image has in a table."""

    text: str
    confidence: float
    table: str = ""  #: A or B, of two tables
    right: bool = False  #: it is the true label


class Shot(NamedTuple):
    """One image. Texts are short enough to display (text.py)."""

    path: str
    name: str
    picture: Thumbnail
    cell: tuple[int | None, int]  #: of the matrix: the true label and that in the table, or both
    answers: list[Answer]  #: one of each table
    rows: tuple[int, ...] = ()  #: its row in each table, the first is 1; empty: it is in no table
    labels: Sequence[tuple[str, float]] = ()  #: with confidences, the most probable first
    truth_text: str = ""  #: empty if it is unknown
    stated_by: str = "folder"  #: what states the truth
    flag: str = ""
    doubtful: bool = False
    person: str = ""  #: what a person said of it, in words

    @property
    def differs(self) -> bool:
        """Whether no answer is what the truth says."""
        return bool(self.truth_text) and not any(answer.right for answer in self.answers)

    @property
    def second_guesses(self) -> Sequence[tuple[str, float]]:
        """What a doubtful image is, if not its label: the second and third label, as far as they
        are known."""
        return self.labels[1:3] if self.doubtful else ()

    @property
    def kinds(self) -> str:
        """Classes of its element."""
        kinds = {
            "doubtful": self.doubtful,
            "differs": self.differs,
            "flagged": self.flag,
            "by-person": self.person,
        }
        only = [
            f"only-{answer.table.lower()}"
            for answer in self.answers
            if answer.table and answer.right
        ]
        return " ".join(["shot", *(kind for kind, holds in kinds.items() if holds), *only])


def shot_of(row: Row, names: Sequence[str], truth: int | None, picture: Thumbnail) -> Shot:
    """The image of a row, whose folder is named after the label `truth`."""
    labels = row.named(names)
    return Shot(
        text.path(row.name),
        text.file_name(row.name),
        picture,
        (truth, row.label),
        [Answer(*labels[0], right=truth == row.label)],
        (row.number,),
        labels,
        "" if truth is None else names[truth],
        flag=str(row.flag),
    )


class Group(NamedTuple):
    """Images that are displayed together."""

    anchor: str
    title: str
    number: str  #: of all images, or of those that are not displayed, in words
    shots: list[Shot]
    note: str = ""
    warnings: Sequence[str] = ()


class FileList(NamedTuple):
    """Files with one status, without pictures."""

    status: str
    sentence: str
    number: int  #: of all files
    files: list[tuple[int, str]]  #: rows and paths of the first ones; row 0: not displayed


def galleries(
    shots: Sequence[Shot],
    names: Sequence[str],
    counts: Sequence[int],
    note: Callable[[int, int], str],
    most_confident_first: bool = False,
) -> list[Group]:
    """A group for each predicted label, in their order. `counts` has each label's images;
    `note(displayed, all)` says which of them are displayed."""
    sign = -1 if most_confident_first else 1
    of: dict[int, list[Shot]] = {}
    for shot in shots:
        of.setdefault(shot.cell[1], []).append(shot)
    return [
        Group(
            f"label-{label}",
            names[label],
            f"{counts[label]:,}",
            sorted(mine, key=lambda shot: (sign * shot.answers[0].confidence, shot.rows)),
            note(len(mine), counts[label]),
        )
        for label, mine in sorted(of.items())
    ]
