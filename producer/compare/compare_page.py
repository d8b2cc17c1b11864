"""A comparison as one HTML file, from the parts of reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from producer.compare.comparison import ComparedRows, Comparison, Tally
from producer.compare.comparison_text import verdict
from producer.pages import page, text
from producer.pages.matrix import Matrix, matrix
from producer.pages.page import Page
from producer.pages.pictures import Picture
from producer.pages.shots import Answer, Group, Shot
from producer.pages.smallest import Smallest

#: Rows of the table of labels.
MAX_LABELS = 1_000


#: Pictures of each group, and groups; together they bound memory and the size of a page.
OF_PAIR, PAIRS = 12, 2_000
OF_JUDGEMENT = 150
MOST = 700
#: Groups of disagreements where the folder or a person states a label.
ONLY_A, ONLY_B, NEITHER = "only A right", "only B right", "both wrong"
#: The group of those without such a label.
UNJUDGED = "no stated label"
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


def judgement(compared: ComparedRows) -> str:
    """Who is right about an image on which the tables differ."""
    if compared.truth is None:
        return UNJUDGED
    if compared.label_a == compared.truth:
        return ONLY_A
    return ONLY_B if compared.label_b == compared.truth else NEITHER


class Disagreements:
    """Those of which a page has pictures: where both models are most confident, of each pair of
    labels and each judgement. The choice depends on the tables alone."""

    def __init__(self) -> None:
        self._by_judgement: dict[str, Smallest[ComparedRows]] = {}
        self._by_pair: dict[tuple[int, int], Smallest[ComparedRows]] = {}

    def add(self, compared: ComparedRows) -> None:
        """Consider a pair with a label in both tables."""
        if compared.label_a == compared.label_b:
            return
        doubt = -min(compared.a.confidence, compared.b.confidence)
        group = self._by_judgement.setdefault(judgement(compared), Smallest(OF_JUDGEMENT))
        group.add(doubt, compared.a.number, compared)
        pair = (compared.label_a, compared.label_b)
        if pair in self._by_pair or len(self._by_pair) < PAIRS:
            group = self._by_pair.setdefault(pair, Smallest(OF_PAIR))
            group.add(doubt, compared.a.number, compared)

    def chosen(self) -> list[ComparedRows]:
        """Every chosen disagreement once, the most confident of each judgement first, then those of
        the pairs of labels; at most MOST."""
        rows: dict[int, ComparedRows] = {}
        groups = [*self._by_judgement.values(), *self._by_pair.values()]
        for group in groups:
            rows |= {pair.a.number: pair for pair in group.items}
            if len(rows) >= MOST:
                break
        return list(rows.values())[:MOST]
