"""A comparison as one HTML file, from the parts of reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from producer.compare.choice import NEITHER, ONLY_A, ONLY_B, UNJUDGED, judgement
from producer.compare.comparison import Comparison
from producer.compare.comparison_text import verdict
from producer.compare.tally import Compared, Tally
from producer.pages import page, text
from producer.pages.matrix import Matrix, matrix
from producer.pages.page import Page
from producer.pages.pictures import Picture

#: Rows of the table of labels.
MAX_LABELS = 1_000


class DisagreementShot(NamedTuple):
    """One image on which the tables differ."""

    number: int  #: in table A
    number_b: int
    path: str
    name: str
    a: tuple[int, str, float]  #: label, its text, confidence
    b: tuple[int, str, float]
    truth_text: str
    judge: str  #: "folder", or "person"
    right: str  #: "a", "b", or empty
    picture: Picture


class Group(NamedTuple):
    """The disagreements of one judgement that are displayed."""

    anchor: str
    title: str
    images: int  #: of the tables
    shots: list[DisagreementShot]


_TITLES = {
    ONLY_A: ("only-a", "Only A is right"),
    ONLY_B: ("only-b", "Only B is right"),
    NEITHER: ("neither", "Both are wrong, and differ"),
    UNJUDGED: ("differ", "They differ"),
}


def compare_page(
    found: Comparison, tally: Tally, pictures: Mapping[Compared, Picture], missing: str
) -> Page:
    """The page; `pictures` has the chosen disagreements, in order."""
    names = [text.label(label) for label in tally.labels]
    groups = list(_groups(found, tally, names, pictures))
    return page.render(
        "compare.html",
        title="Comparison of two tables",
        found=found,
        verdict=verdict(found),
        paths=(text.path(found.a.table.encode()), text.path(found.b.table.encode())),
        labels=found.labels[:MAX_LABELS],
        label_text=text.label,
        labels_left_out=max(0, len(found.labels) - MAX_LABELS),
        matrix=_matrix(tally, list(pictures)) if tally.pairs is not None else None,
        groups=groups,
        pictured=len(pictures),
        differ=found.images - found.agreed,
        missing=missing,
    )


def _groups(
    found: Comparison, tally: Tally, names: Sequence[str], pictures: Mapping[Compared, Picture]
) -> Iterator[Group]:
    differ = found.images - found.agreed
    judged = found.only_a_right + found.only_b_right
    neither = tally.differ_wrong
    images = {
        ONLY_A: found.only_a_right,
        ONLY_B: found.only_b_right,
        NEITHER: neither,
        UNJUDGED: differ - judged - neither,
    }
    for kind, (anchor, title) in _TITLES.items():
        shots = [
            _shot(one, names, picture)
            for one, picture in pictures.items()
            if judgement(one) == kind
        ]
        if shots:
            yield Group(anchor, title, images[kind], shots)


def _shot(one: Compared, names: Sequence[str], picture: Picture) -> DisagreementShot:
    right = {ONLY_A: "a", ONLY_B: "b"}.get(judgement(one), "")
    return DisagreementShot(
        one.a.number,
        one.b.number,
        text.path(one.a.name),
        text.file_name(one.a.name),
        (one.label_a, names[one.label_a], one.a.confidence),
        (one.label_b, names[one.label_b], one.b.confidence),
        "" if one.truth is None else names[one.truth],
        "person" if one.by_person else "folder",
        right,
        picture,
    )


def _matrix(tally: Tally, chosen: Sequence[Compared]) -> Matrix:
    pictured: dict[tuple[int, int], int] = {}
    for one in chosen:
        pair = (one.label_a, one.label_b)
        pictured[pair] = pictured.get(pair, 0) + 1
    totals = [a + b for a, b in zip(tally.counts_a, tally.counts_b, strict=True)]
    used = sorted((i for i, count in enumerate(totals) if count), key=lambda i: (-totals[i], i))
    return matrix(tally.labels, tally.pair, lambda a, b: pictured.get((a, b), 0), used)
