"""A comparison as one HTML file, from the parts of reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from producer.compare.comparison import Comparison
from producer.compare.comparison_text import verdict
from producer.compare.pictured_pairs import NEITHER, ONLY_A, ONLY_B, UNJUDGED, judgement
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
    comparison: Comparison, tally: Tally, pictures: Mapping[ComparedRows, Picture], missing: str
) -> Page:
    """The page; `pictures` has the chosen disagreements, in order."""
    names = [text.label(label) for label in tally.labels]
    shots = {pair: _shot(pair, names, picture) for pair, picture in pictures.items()}
    return page.render(
        "compare.html",
        title="Comparison of two tables",
        found=comparison,
        verdict=verdict(comparison),
        paths=(text.path(comparison.a.table.encode()), text.path(comparison.b.table.encode())),
        labels=comparison.labels[:MAX_LABELS],
        label_text=text.label,
        labels_left_out=max(0, len(comparison.labels) - MAX_LABELS),
        matrix=_matrix(tally, shots.values()) if tally.pairs.counted else None,
        groups=list(_groups(comparison, tally, shots)),
        pictured=len(pictures),
        differ=comparison.images - comparison.agreed,
        missing=missing,
    )


def _groups(
    comparison: Comparison, tally: Tally, shots: Mapping[ComparedRows, Shot]
) -> Iterator[Group]:
    differ = comparison.images - comparison.agreed
    judged = comparison.only_a_right + comparison.only_b_right
    neither = tally.differ_wrong
    images = {
        ONLY_A: comparison.only_a_right,
        ONLY_B: comparison.only_b_right,
        NEITHER: neither,
        UNJUDGED: differ - judged - neither,
    }
    for kind, (anchor, title) in _TITLES.items():
        mine = [shot for pair, shot in shots.items() if judgement(pair) == kind]
        if mine:
            yield Group(f"group-{anchor}", title, f"{images[kind]:,}", mine)


def _shot(pair: ComparedRows, names: Sequence[str], picture: Picture) -> Shot:
    sides = ("A", pair.label_a, pair.a), ("B", pair.label_b, pair.b)
    return Shot(
        text.path(pair.a.name),
        text.file_name(pair.a.name),
        picture,
        (pair.label_a, pair.label_b),
        [
            Answer(names[label], row.confidence, table, label == pair.truth)
            for table, label, row in sides
        ],
        (pair.a.number, pair.b.number),
        truth_text="" if pair.truth is None else names[pair.truth],
        stated_by="person" if pair.by_person else "folder",
    )


def _matrix(tally: Tally, shots: Iterable[Shot]) -> Matrix:
    totals = [a + b for a, b in zip(tally.counts_a, tally.counts_b, strict=True)]
    used = sorted((i for i, count in enumerate(totals) if count), key=lambda i: (-totals[i], i))
    return matrix(tally.labels, tally.pairs.rows, shots, used)
