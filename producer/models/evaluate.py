"""`hangtag models evaluate`: a version is measured where the store is, and shown here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.models.show import check_folder, put
from producer.models.train import troubles
from producer.output.text import columns, counted, one_line, share
from producer.requests.client import make_request
from producer.requests.submit import data_place, picture, submit
from shared.messages.model_name import parse
from shared.messages.replies import Evaluated, Evaluation
from shared.messages.requests import Evaluate
from shared.settings import Settings

PICTURES = ("confusion.png", "reliability.png")
_HEAD = ("label", "images", "precision", "recall", "F1")
#: With more classes the matrix is wider than a terminal; the pairs say more anyway.
MATRIX_CLASSES = 20
#: Pairs of labels that are taken for each other, the most frequent first.
PAIRS_SHOWN = 10
#: What Evaluated.split stands for.
_PARTS = {"test": "the test images", "heldout": "the images held out", "all": "all images"}


class Measured(NamedTuple):
    """What was answered, and the pictures that were written."""

    evaluated: Evaluated
    written: list[Path]


def evaluate(
    settings: Settings,
    model: str,
    data: str | None,
    *,
    max_unreadable: float,
    pictures: Path | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Measured:
    """Ask the owner of the store to measure a version; its pictures go into a folder, if one is
    given. Without `data` it is measured on what it was made from.

    Raises:
        UsageError: that is no name of a model, or of data; or a picture is there already.
        SetupError: the work failed; or as `ask`.
    """
    place = "" if data is None else data_place(data, settings)
    work = Evaluate(str(parse(model)), place, max_unreadable, pictures is not None)
    if pictures is not None:
        check_folder(pictures, PICTURES, force)
    request = make_request(work)
    evaluated = submit(settings, request, quiet=quiet).decode(Evaluated)
    if pictures is None:
        return Measured(evaluated, [])
    files = {name: picture(settings, request.id, name) for name in PICTURES}
    return Measured(evaluated, put(pictures, files, force))


def lines(evaluated: Evaluated) -> Iterator[str]:
    """The figures for a person."""
    found = evaluated.evaluation
    part = _PARTS.get(evaluated.split, evaluated.split)
    where = f"{part} of {one_line(evaluated.data.name)}"
    yield f"{evaluated.model} on {where}: {counted(found.count, 'image')}"
    yield (
        f"accuracy {share(found.accuracy)}, loss {share(found.loss)}, "
        f"calibration error {share(found.ece)}"
    )
    yield ""
    yield from _classes(found)
    if len(found.labels) <= MATRIX_CLASSES:
        yield ""
        yield from _matrix(found)
    pairs = _pairs(found)
    if pairs:
        yield ""
        yield from columns(("is", "taken for", "images"), pairs[:PAIRS_SHOWN], ("is", "taken for"))
    yield from troubles(evaluated.data)


def _classes(found: Evaluation) -> list[str]:
    rows = [
        (one_line(one.label), f"{one.count:,}", *map(share, (one.precision, one.recall, one.f1)))
        for one in per_class(found.labels, found.confusion)
    ]
    return columns(_HEAD, rows, ("label",))


def _matrix(found: Evaluation) -> list[str]:
    """Who (row) is taken for whom (column, by its number)."""
    numbers = [str(number) for number in range(1, len(found.labels) + 1)]
    rows = [
        (f"{number} {one_line(label)}", *(str(count) if count else "." for count in row))
        for number, label, row in zip(numbers, found.labels, found.confusion, strict=True)
    ]
    return columns(("is \\ taken for", *numbers), rows, ("is \\ taken for",))


def _pairs(found: Evaluation) -> list[tuple[str, str, str]]:
    labels = [one_line(label) for label in found.labels]
    wrong = [
        (count, i, j)
        for i, row in enumerate(found.confusion)
        for j, count in enumerate(row)
        if count and i != j
    ]
    wrong.sort(key=lambda one: (-one[0], one[1:]))
    return [(labels[i], labels[j], f"{count:,}") for count, i, j in wrong]


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
