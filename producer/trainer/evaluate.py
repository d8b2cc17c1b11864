"""`hangtag models evaluate`: a version measured by the trainer, as text and plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from producer.present.events import Events
from producer.present.formatting import counted, one_line, percent
from producer.present.style import (
    Figure,
    columns,
    figures,
    fitted_lines,
    next_commands,
    paragraphs,
    width,
)
from producer.table.answer_counter import accuracy_figure, few_images_line, per_class, weakest_lines
from producer.trainer.check_class_folders import check_class_folders
from producer.trainer.client import make_request
from producer.trainer.corrected_files import corrections_input
from producer.trainer.show import check_folder, put
from producer.trainer.submit import answer_file, data_place, submit
from producer.trainer.train import troubles
from producer.versions.catalog import check_version
from shared.labels.submitted_lines import input_sha256
from shared.messages.model_name import parse
from shared.messages.replies import Evaluated, Evaluation
from shared.messages.requests import Evaluate
from shared.settings import Settings
from shared.stop import Stop

PLOTS = ("confusion.png", "reliability.png")
_HEAD = ("label", "images", "precision", "recall", "F1")
#: With more classes the matrix is wider than a terminal.
MATRIX_CLASSES = 20
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
    corrections: Sequence[Path] = (),
    plots: Path | None = None,
    force: bool = False,
    events: Events | None = None,
    stop: Stop | None = None,
) -> EvaluatedVersion:
    """Request an evaluation from the trainer, and write its plots to the folder `plots`, if
    given. Without `data` the version is measured on the data that it was trained on.

    Raises:
        UsageError: the name of the model or of the data is invalid; or a plot exists already.
        SetupError, Stopped: the evaluation failed; or as `submit`.
    """
    place = "" if data is None else data_place(data, settings)
    input = corrections_input(corrections)
    if place:
        check_class_folders(
            place, "evaluate", settings, corrections=input, events=events, stop=stop
        )
    check_version(settings, model)
    work = Evaluate(
        str(parse(model)), place, max_unreadable, plots is not None, input_sha256(input)
    )
    if plots is not None:
        check_folder(plots, PLOTS, force)
    request = make_request(work)
    outcome = submit(settings, request, input=input, events=events, stop=stop)
    evaluated = outcome.decode(Evaluated)
    if plots is None:
        return EvaluatedVersion(evaluated, [])
    files = {name: answer_file(settings, request.id, name, stop) for name in PLOTS}
    return EvaluatedVersion(evaluated, put(plots, files, force))


def lines(evaluated: Evaluated, room: int | None = None) -> Iterator[str]:
    """The figures as lines of text, of at most `room` columns."""
    evaluation = evaluated.evaluation
    part = _PARTS.get(evaluated.split, evaluated.split)
    where = f"{part} of {one_line(evaluated.data.name)}"
    yield f"{evaluated.model} on {where}: {counted(evaluation.count, 'image')}"
    few = few_images_line(evaluation)
    yield from paragraphs(
        _figures(evaluation, room),
        _classes(evaluation),
        _matrix(evaluation, room),
        weakest_lines(evaluation),
        fitted_lines([*([few] if few else []), *troubles(evaluated.data)], room),
        next_commands([("see it", f"hangtag models report {evaluated.model}")]),
    )


def _figures(evaluation: Evaluation, room: int | None) -> list[str]:
    ece = Figure(percent(evaluation.ece), "calibration error", f"loss {evaluation.loss:.4f}")
    measured = (
        [accuracy_figure(evaluation.accuracy, evaluation.count, "labelled")]
        if evaluation.count
        else []
    )
    return figures([*measured, ece], room)


def _classes(evaluation: Evaluation) -> list[str]:
    rows = [
        (
            one_line(figures.label),
            f"{figures.count:,}",
            *(percent(value) for value in (figures.precision, figures.recall, figures.f1)),
        )
        for figures in per_class(evaluation.labels, evaluation.confusion)
    ]
    return columns(_HEAD, rows, ("label",))


def _matrix(evaluation: Evaluation, room: int | None) -> list[str]:
    """The confusion matrix: true labels in rows, predicted ones (by number) in columns. None if it
    is wider than the terminal."""
    if len(evaluation.labels) > MATRIX_CLASSES:
        return []
    numbers = [str(number) for number in range(1, len(evaluation.labels) + 1)]
    rows = [
        (f"{number} {one_line(label)}", *(str(count) if count else "." for count in row))
        for number, label, row in zip(numbers, evaluation.labels, evaluation.confusion, strict=True)
    ]
    table = columns(("true \\ predicted", *numbers), rows, ("true \\ predicted",))
    return table if room is None or max(map(width, map(click.unstyle, table))) <= room else []
