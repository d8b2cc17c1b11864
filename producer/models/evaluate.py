"""`hangtag models evaluate`: a version measured by the trainer, as text and plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.models.show import check_folder, put
from producer.models.train import troubles
from producer.output.formatting import columns, counted, one_line, share
from producer.requests.client import make_request
from producer.requests.submit import data_place, picture, submit
from shared.messages.model_name import parse
from shared.messages.replies import Evaluated, Evaluation
from shared.messages.requests import Evaluate
from shared.settings import Settings

PLOTS = ("confusion.png", "reliability.png")
_HEAD = ("label", "images", "precision", "recall", "F1")
#: With more classes the matrix is wider than a terminal.
MATRIX_CLASSES = 20
#: Confused pairs of labels, the most frequent first.
PAIRS_SHOWN = 10
#: Descriptions of Evaluated.split.
_PARTS = {"test": "the test images", "heldout": "the images held out", "all": "all images"}


class EvaluatedVersion(NamedTuple):
    """The trainer's reply, and the plots that were written."""

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
) -> EvaluatedVersion:
    """Request an evaluation from the trainer, and write its plots to the folder `pictures`, if
    given. Without `data` the version is measured on the data that it was trained on.

    Raises:
        UsageError: the name of the model or of the data is invalid; or a plot exists already.
        SetupError: the evaluation failed; or as `submit`.
    """
    place = "" if data is None else data_place(data, settings)
    work = Evaluate(str(parse(model)), place, max_unreadable, pictures is not None)
    if pictures is not None:
        check_folder(pictures, PLOTS, force)
    request = make_request(work)
    evaluated = submit(settings, request, quiet=quiet).decode(Evaluated)
    if pictures is None:
        return EvaluatedVersion(evaluated, [])
    files = {name: picture(settings, request.id, name) for name in PLOTS}
    return EvaluatedVersion(evaluated, put(pictures, files, force))


def lines(evaluated: Evaluated) -> Iterator[str]:
    """The figures as lines of text."""
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
        head = ("true", "predicted", "images")
        yield from columns(head, pairs[:PAIRS_SHOWN], ("true", "predicted"))
    yield from troubles(evaluated.data)


def _classes(found: Evaluation) -> list[str]:
    rows = [
        (one_line(one.label), f"{one.count:,}", *map(share, (one.precision, one.recall, one.f1)))
        for one in per_class(found.labels, found.confusion)
    ]
    return columns(_HEAD, rows, ("label",))


def _matrix(found: Evaluation) -> list[str]:
    """The confusion matrix: true labels in rows, predicted ones (by number) in columns."""
    numbers = [str(number) for number in range(1, len(found.labels) + 1)]
    rows = [
        (f"{number} {one_line(label)}", *(str(count) if count else "." for count in row))
        for number, label, row in zip(numbers, found.labels, found.confusion, strict=True)
    ]
    return columns(("true \\ predicted", *numbers), rows, ("true \\ predicted",))


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
    """The figures of one class. Fractions 0 to 1; 0 where the denominator is 0."""

    label: str
    count: int  #: images of this class
    precision: float  #: share of the images predicted as this class that are of it
    recall: float  #: share of the images of this class that are predicted as it
    f1: float  #: harmonic mean of precision and recall


def per_class(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[ClassFigures]:
    """The figures of every class, in the order of `labels`. `confusion`: [true][predicted]."""
    predicted = [sum(row[i] for row in confusion) for i in range(len(labels))]
    return [
        ClassFigures(
            label,
            count=sum(confusion[i]),
            precision=_share(confusion[i][i], predicted[i]),
            recall=_share(confusion[i][i], sum(confusion[i])),
            f1=_share(2 * confusion[i][i], predicted[i] + sum(confusion[i])),
        )
        for i, label in enumerate(labels)
    ]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
