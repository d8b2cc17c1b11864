"""A comparison as one HTML file, from the parts of reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from producer.compare.choice import NEITHER, ONLY_A, ONLY_B, UNJUDGED, judgement
from producer.compare.comparison import Comparison
from producer.compare.comparison_text import verdict
from producer.compare.tally import ComparedRows, Tally
from producer.pages import page, text
from producer.pages.matrix import Matrix, matrix
from producer.pages.page import Page
from producer.pages.pictures import Picture
from producer.pages.shots import Answer, Group, Shot

#: Rows of the table of labels.
MAX_LABELS = 1_000


_TITLES = {
    ONLY_A: ("only-a", "Only A is right"),
    ONLY_B: ("only-b", "Only B is right"),
    NEITHER: ("neither", "Both are wrong, and differ"),
    UNJUDGED: ("differ", "They differ"),
}


def compare_page(
    found: Comparison, tally: Tally, pictures: Mapping[ComparedRows, Picture], missing: str
) -> Page:
    """The page; `pictures` has the chosen disagreements, in order."""
    names = [text.label(label) for label in tally.labels]
    shots = {one: _shot(one, names, picture) for one, picture in pictures.items()}
    return page.render(
        "compare.html",
        title="Comparison of two tables",
        found=found,
        verdict=verdict(found),
        paths=(text.path(found.a.table.encode()), text.path(found.b.table.encode())),
        labels=found.labels[:MAX_LABELS],
        label_text=text.label,
        labels_left_out=max(0, len(found.labels) - MAX_LABELS),
        matrix=_matrix(tally, shots.values()) if tally.pairs is not None else None,
        groups=list(_groups(found, tally, shots)),
        pictured=len(pictures),
        differ=found.images - found.agreed,
        missing=missing,
    )


def _groups(found: Comparison, tally: Tally, shots: Mapping[ComparedRows, Shot]) -> Iterator[Group]:
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
        mine = [shot for one, shot in shots.items() if judgement(one) == kind]
        if mine:
            yield Group(f"group-{anchor}", title, f"{images[kind]:,}", mine)


def _shot(one: ComparedRows, names: Sequence[str], picture: Picture) -> Shot:
    sides = ("A", one.label_a, one.a), ("B", one.label_b, one.b)
    return Shot(
        text.path(one.a.name),
        text.file_name(one.a.name),
        picture,
        (one.label_a, one.label_b),
        [
            Answer(names[label], row.confidence, table, label == one.truth)
            for table, label, row in sides
        ],
        (one.a.number, one.b.number),
        truth_text="" if one.truth is None else names[one.truth],
        stated_by="person" if one.by_person else "folder",
    )


def _matrix(tally: Tally, shots: Iterable[Shot]) -> Matrix:
    totals = [a + b for a, b in zip(tally.counts_a, tally.counts_b, strict=True)]
    used = sorted((i for i, count in enumerate(totals) if count), key=lambda i: (-totals[i], i))
    return matrix(tally.labels, tally.pair, shots, used)
