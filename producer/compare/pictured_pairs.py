"""The disagreements that a page has pictures of: those in which both models are most confident, of
each pair of labels, and of each judgement where folders are named like labels, or people
decided."""

from __future__ import annotations

from producer.compare.tally import ComparedRows
from producer.pages.smallest import Smallest

#: Pictures of each group, and groups; together they bound memory and the size of a page.
OF_PAIR, PAIRS = 12, 2_000
OF_JUDGEMENT = 150
MOST = 700
#: Groups of disagreements where the folder or a person states a label.
ONLY_A, ONLY_B, NEITHER = "only A right", "only B right", "both wrong"
#: The group of those without such a label.
UNJUDGED = "no stated label"


def judgement(compared: ComparedRows) -> str:
    """Who is right about an image on which the tables differ."""
    if compared.truth is None:
        return UNJUDGED
    if compared.label_a == compared.truth:
        return ONLY_A
    return ONLY_B if compared.label_b == compared.truth else NEITHER


class Disagreements:
    """Chooses among the pairs that are added. The choice depends on the tables alone."""

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
