"""What a confusion matrix says of each class: plain numbers, for whoever shows them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class ClassFigures(msgspec.Struct, frozen=True):
    """One class. Fractions 0 to 1; 0 where there is nothing to divide by."""

    label: str
    count: int  #: images of this class
    precision: float  #: of the images that were called so, how many are
    recall: float  #: of the images that are, how many were called so
    f1: float  #: harmonic mean of both


def per_class(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[ClassFigures]:
    """The figures of every class, in the order of `labels`. `confusion`: [true][predicted]."""
    called = [sum(row[i] for row in confusion) for i in range(len(labels))]
    return [
        ClassFigures(
            label,
            count=sum(confusion[i]),
            precision=_share(confusion[i][i], called[i]),
            recall=_share(confusion[i][i], sum(confusion[i])),
            f1=_share(2 * confusion[i][i], called[i] + sum(confusion[i])),
        )
        for i, label in enumerate(labels)
    ]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
