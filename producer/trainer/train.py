"""`hangtag train`: converts options to a request, and its reply to lines of text."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from producer.present.events import Events
from producer.present.formatting import counted, near, one_line, percent
from producer.present.formatting import typed as command_of
from producer.table.job_text import training_lines
from producer.trainer.check_class_folders import check_class_folders
from producer.trainer.client import make_request
from producer.trainer.corrected_files import corrections_input, labelled_input
from producer.trainer.existing import is_known
from producer.trainer.submit import data_place
from producer.versions.catalog import Catalog
from shared import recipes
from shared.errors import MISFITS, HangtagError, SetupError, UsageError
from shared.labels import labels_file
from shared.labels.labels_so_far import LabelsSoFar
from shared.labels.submitted_lines import decode_input, encode_lines, input_sha256
from shared.messages import model_name, training
from shared.messages.model_card import Card
from shared.messages.model_name import of_folder, parse
from shared.messages.replies import DataReport, Evaluation, Trained
from shared.messages.requests import Request
from shared.messages.training import FASHION_MNIST, FASHION_MNIST_TITLE, Train
from shared.options import defaults_of
from shared.registry import learned_lines
from shared.registry.registry import Registry
from shared.settings import Settings
from shared.stop import Stop

#: The file of a version with its figures.
EVALUATION = "evaluation.json"
#: The numbers of files and of classes that are listed.
NAMES_SHOWN, CLASSES_SHOWN = 5, 12


class Training(NamedTuple):
    """The request of a training, and the bytes that are sent along."""

    request: Request
    input: bytes | None  #: the corrections


def make_training(
    options: Mapping[str, Any],
    settings: Settings,
    corrections: Sequence[Path] = (),
    request_id: str = "",
    *,
    labels: Path | None = None,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Training:
    """The request of a training with these options, as for `make_work`, and with the corrections of
    these tables, or of the images in a labels file and no others. What is visible from here is
    checked, unless the request is known already.

    Raises:
        UsageError: as `make_work`, a table has no corrections, a file no labels, or the id is
            invalid.
        SetupError: the data cannot be learned from.
        Stopped: the caller has stopped it.
    """
    for name, given in (("--corrections", corrections), ("--labels", labels)):
        if given and options.get("without_corrections"):
            raise UsageError(
                f"{name} and --without-corrections exclude each other; leave out one of them"
            )
    input = _input(options, corrections, labels)
    options = {**options, "corrections": input_sha256(input), "labelled_only": labels is not None}
    known = is_known(settings, request_id, stop)  # it has an answer, also without its data
    work = make_work(options, settings, check=not known)
    if not known:
        try:
            check_work(work, settings, input, events=events, stop=stop)
        except SetupError as error:
            raise SetupError(f"{error}{_labels_remedy(work.data, labels)}") from None
    return Training(make_request(work, request_id), input)


def _input(
    options: Mapping[str, Any], corrections: Sequence[Path], labels: Path | None
) -> bytes | None:
    if labels is None:
        return corrections_input(corrections, undone=True)
    if corrections:
        raise UsageError("--labels and --corrections exclude each other; leave out one of them")
    folder = options.get("data", FASHION_MNIST)
    if folder == FASHION_MNIST:
        raise UsageError("labels are of files; name their folder")
    return labelled_input(labels_file.chosen(labels, folder), folder)


def _labels_remedy(data: str, labels: Path | None) -> str:
    """`; or learn from photos.labels.jsonl: COMMAND`, if that file is there and was not named."""
    file = labels_file.default_path(data)
    if labels is not None or data == FASHION_MNIST or not file.is_file():
        return ""
    return f"; or learn from {file}: {command_of(['hangtag', 'train', near(data), '--labels'])}"


def make_work(typed: Mapping[str, Any], settings: Settings, *, check: bool = True) -> Train:
    """The trainer's work for options, by the fields of Train. One that is absent has its default.

    Without `check` the folder may be missing.

    Raises:
        UsageError: a folder's name cannot be a model's, the folder is missing, a name is invalid,
            there is no such recipe, or an option does not apply to it.
    """
    data = typed.get("data", FASHION_MNIST)
    built_in = data == FASHION_MNIST
    if built_in and typed.get("corrections"):
        raise UsageError("corrections are of files; name their folder")
    name = typed.get("name") or (FASHION_MNIST if built_in else name_of(data))
    model_name.checked(name, option="--name")
    recipe = typed.get("recipe") or (recipes.OF_BUILT_IN if built_in else recipes.OF_FOLDER)
    training.check(
        recipe, data, [field for field, value in typed.items() if _is_typed(field, value)]
    )
    fields = dict(typed) | {
        "name": name,
        "recipe": recipes.current(recipe),
        "data": data_place(data, settings, check=check),
    }
    return msgspec.convert(fields, Train)


def name_of(folder: str) -> str:
    """The model of a folder without --name. Raises UsageError if it has no name for one."""
    name = of_folder(folder)
    if not name:
        last = os.path.basename(os.path.abspath(folder)).lower()
        raise UsageError(f"{last!r:.80} cannot be the name of its model; give one with --name")
    return name


def check_work(
    work: Train,
    settings: Settings,
    corrections: bytes | None,
    *,
    events: Events | None = None,
    stop: Stop | None = None,
) -> None:
    """Check what is visible from here, before the training waits for others.
    `corrections` is the input of its request.

    Raises:
        SetupError: the data cannot be learned from.
        Stopped: the caller has stopped it.
    """
    learned = _with_earlier(work, settings, corrections)
    check_class_folders(
        work.data, "train", settings, corrections=learned, labelled_only=work.labelled_only,
        events=events, stop=stop,
    )  # fmt: skip


def _with_earlier(work: Train, settings: Settings, given: bytes | None) -> bytes | None:
    """The corrections that the trainer of this machine's store will learn from."""
    if work.without_corrections or settings.redis_url or work.data == FASHION_MNIST:
        return given
    earlier = learned_lines.of_model(Registry(settings.store_path), work.name).lines
    lines = learned_lines.in_order([*earlier, *decode_input(given, input_sha256(given))])
    return encode_lines(LabelsSoFar(lines).lines()) or None


def _is_typed(field: str, value: object) -> bool:
    """Whether a command passes this value only for an option that was given."""
    if isinstance(value, str) and value == defaults_of(Train).get(field):
        return False
    return value is not False and value != ""


def summary(settings: Settings, trained: Trained, room: int | None = None) -> list[str]:
    """What came out of a training, with what was found in its folder, and what serving costs."""
    notes = [] if trained.data is None else [*_found(trained.data), *troubles(trained.data)]
    notes += [*_corrected(trained), *filter(None, [_cost(settings, trained.model)])]
    return training_lines(trained, evaluations(settings, trained.model), notes, room)


def evaluations(settings: Settings, model: str) -> dict[str, Evaluation]:
    """The figures of a published version by part, as `heldout`; none if they cannot be read."""
    try:
        catalog = Catalog(settings)
        data = catalog.read(catalog.version(parse(model)).card, EVALUATION)
        return msgspec.json.decode(data, type=dict[str, Evaluation])
    except (HangtagError, *MISFITS):
        return {}  # the version is published all the same


def _cost(settings: Settings, model: str) -> str:
    """What it costs to serve a published version; empty if nothing, or if it cannot be read."""
    try:
        card = Catalog(settings).version(parse(model)).card
    except HangtagError:
        return ""
    return cost_of_looks(card) if card.looks else cost_of_int8(card)


def cost_of_looks(card: Card) -> str:
    """`30% of the photos are looked at twice; 150 images/s and core`."""
    twice = f"{percent(card.second_pass_share, 0)} of the photos are looked at twice"
    speed = f"{card.images_per_s:.0f} images/s and core" if card.images_per_s else ""
    return "; ".join(part for part in (twice if len(card.looks) > 1 else "", speed) if part)


def cost_of_int8(card: Card) -> str:
    """`int8, 0.20 points below fp32`: the last epoch reports the accuracy of fp32."""
    trial = card.precision_trial
    if card.precision != "int8" or trial is None or trial.int8_accuracy >= trial.fp32_accuracy:
        return ""
    points = 100 * (trial.fp32_accuracy - trial.int8_accuracy)
    return f"int8, {points:.2f} points below fp32"


def troubles(data: DataReport) -> Iterator[str]:
    """The files that could not be used, copies or near-duplicates, and notes on the data."""
    yield from _listed(
        data.unreadable,
        data.unreadable_count,
        f"{counted(data.unreadable_count, 'file')} could not be read",
    )
    alike = counted(data.duplicates_count, "near-duplicate")
    if data.duplicates_are_copies:
        alike = counted(data.duplicates_count, "copy", "copies")
    yield from _listed(data.duplicates, data.duplicates_count, f"{alike} found")
    yield from (f"note: {note}" for note in data.notes)


def _found(data: DataReport) -> Iterator[str]:
    """`300 images of 3 classes in photos: cat 120, dog 100, hen 80`, for a folder."""
    if data.name == FASHION_MNIST_TITLE:
        return
    counts = [sum(parts) for parts in zip(data.training, data.heldout, data.test, strict=True)]
    order = sorted(range(len(counts)), key=lambda i: -counts[i])
    named = [f"{one_line(data.labels[i])} {counts[i]:,}" for i in order]
    more = [f"{len(named) - CLASSES_SHOWN} more"] if len(named) > CLASSES_SHOWN else []
    yield (
        f"{counted(sum(counts), 'image')} of {len(counts)} classes in {one_line(data.name)}: "
        f"{', '.join([*named[:CLASSES_SHOWN], *more])}"
    )


def _corrected(trained: Trained) -> Iterator[str]:
    """The labels that people gave, and that earlier trainings had them already."""
    count, earlier = trained.corrections, trained.earlier_corrections
    if count:
        of_them = f", {earlier:,} of them from earlier trainings" if earlier else ""
        yield f"{counted(count, 'corrected label')} learned from{of_them}"
        if earlier:
            yield "to train without those of earlier trainings: --without-corrections"
    elif earlier:
        yield f"{counted(earlier, 'corrected label')} of earlier trainings left out"


def _listed(lines: Sequence[str], count: int, heading: str) -> Iterator[str]:
    if count:
        yield f"{heading}:"
        yield from (f"  {line}" for line in lines[:NAMES_SHOWN])
        if count > NAMES_SHOWN:
            yield f"  ... and {count - NAMES_SHOWN:,} more"
