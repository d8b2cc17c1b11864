"""`hangtag models report`: a version as one HTML file: its figures, plots and mistakes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from producer.machine.helper import Helper
from producer.pages import page, text
from producer.pages.figures import matrix
from producer.pages.shots import Answer, Shot, galleries
from producer.pages.thumbnails import PageImages
from producer.present.progress import Stages, make_progress
from producer.sources.reader import FileReader
from producer.table.answer_counter import per_class
from producer.trainer.corrected_files import corrections_input
from producer.trainer.show import facts, figures
from producer.versions.catalog import Catalog
from shared.errors import BadMessage, HangtagError, SetupError
from shared.image_status import Status
from shared.labels.labels_so_far import LabelsSoFar
from shared.labels.submitted_lines import decode_input, encode_lines, input_sha256
from shared.messages.helpers import (
    FoundMistakes,
    Mistake,
    MistakesQuestion,
    MistakesReply,
    Searched,
    Thumbnail,
)
from shared.messages.model_card import Card, encode_card
from shared.messages.model_name import parse
from shared.registry import learned_lines
from shared.registry.catalog import VersionDetails
from shared.registry.learned_lines import is_of_labels
from shared.runtimes import HELDOUT
from shared.settings import Settings

MOST, MOST_OF_PAIR = 300, 12
#: The plots of a version: file name, title, and the picture in words.
PLOTS = {
    "curves.png": ("Training", "Loss and accuracy after every epoch."),
    "confusion.png": ("Confusion matrix", "How often each label was taken for each other one."),
    "reliability.png": ("Reliability", "How often a confidence is right."),
    "operating_points.png": ("Accepted predictions", "Their accuracy, against their share."),
    "mistakes.png": ("Mistakes", "The wrong predictions with the highest confidence."),
    "samples.png": ("Samples", "Images beside the probabilities of their labels."),
}


def find_mistakes(
    card: Card,
    answers: bytes,
    corrections: bytes | None,
    on_progress: Callable[[int, int], None],
) -> FoundMistakes:
    """The figures and a choice of the mistakes. `on_progress` gets the files of the data that were
    looked at, and their number; the corrected files are looked at, too.

    Raises:
        SetupError: the process failed.
        BadMessage: it found labels that the version does not have.
    """
    question = MistakesQuestion(encode_card(card), answers, MOST, MOST_OF_PAIR, corrections)
    with closing(
        Helper("worker.helpers.mistakes", MistakesReply, "the held-out images cannot be searched")
    ) as helper:
        reply = helper.ask(question)
        while isinstance(reply, Searched):
            on_progress(reply.done, reply.total)
            reply = helper.receive()
        if reply is None:
            raise helper.ended()
    return _checked(reply, len(card.labels))


def _checked(mistakes: FoundMistakes, labels: int) -> FoundMistakes:
    fits = len(mistakes.confusion) == labels and all(
        len(row) == labels for row in mistakes.confusion
    )
    indices = {i for mistake in mistakes.mistakes for i in (mistake.truth, *mistake.labels)}
    if not fits or not indices <= set(range(labels)):
        raise BadMessage("the held-out images cannot be searched: labels out of range")
    return mistakes


class Plot(NamedTuple):
    title: str
    words: str
    picture: Thumbnail


def version_plots(card: Card, read: Callable[[str], bytes], images: PageImages) -> dict[str, Plot]:
    """The plots of a version by file name; `read` raises SetupError for a damaged file."""
    plots_by_name = {}
    for name, (title, words) in PLOTS.items():
        if name in card.files:
            try:
                picture = images.plot(read(name))
            except SetupError as error:
                picture = Thumbnail(why=str(error))
            plots_by_name[name] = Plot(title, words, picture)
    return plots_by_name


def version_values(details: VersionDetails, drawn: dict[str, Plot]) -> dict[str, Any]:
    """The values of the template by name."""
    card = details.card
    return {
        "model": card.ref,
        "aliases": ", ".join(details.aliases),
        "facts": [(name, text.bounded(value, text.PATH_CHARS)) for name, value in facts(card)],
        "figures": figures(card.metrics),
        "right_of_others": card.right_of_others,
        "measured": "named images" if is_of_labels(card) else "images",
        "points_of": "images without a label" if is_of_labels(card) else "its held-out images",
        "points": [
            (point, sum(limit is None for limit in point.thresholds))
            for point in card.operating_points
        ],
        "plots": [plot for plot in drawn.values() if plot.picture.source],
    }


class WrittenVersion(msgspec.Struct, frozen=True):
    """A report that was written."""

    report: str
    model: str
    mistakes: int  #: that are displayed
    wrong: int  #: held-out images that it takes for another label
    bytes: int
    notices: tuple[str, ...] = ()  #: what is missing, and why


def write_model_report(
    settings: Settings,
    model: str,
    output: Path | None = None,
    *,
    corrections: Sequence[Path] = (),
    force: bool = False,
    quiet: bool = False,
) -> WrittenVersion:
    """Write the report of a version; by default to `NAME@VERSION.html` in the current folder.

    Held-out images outside of the folder that it was trained on are found where people labelled
    them, by the version's own record, and by the `corrections` of
    tables.

    Raises:
        UsageError: the name is invalid, the output is another file, or a table has no corrections.
        SetupError: there is no such version, or the disk is full.
    """
    catalog = Catalog(settings)
    details = catalog.version(parse(model))
    card = details.card
    output = Path(f"{card.ref}{page.SUFFIX}") if output is None else output
    page.check(output, page.Kind.MODEL, force)
    read_file, corrected = partial(catalog.read, card), corrections_input(corrections)
    progress = Stages(make_progress(quiet))
    try:
        with PageImages() as images:
            return _write(details, read_file, corrected, output, images, progress)
    finally:
        progress.close()


def _write(
    details: VersionDetails,
    read_file: Callable[[str], bytes],
    corrections: bytes | None,
    output: Path,
    images: PageImages,
    progress: Stages,
) -> WrittenVersion:
    card, notices = details.card, [images.missing] if images.missing else []
    plots = version_plots(card, read_file, images)
    mistakes, why = _mistakes(card, read_file, corrections, bool(images.missing), progress)
    shots = _shots(card, mistakes, images, progress) if mistakes else []
    notices += [notice for notice in (why, mistakes.note if mistakes else "") if notice]
    heldout = _heldout_values(card, mistakes, shots)
    made = page.render(
        "model.html",
        title=f"Model {card.ref}",
        notices=notices,
        metrics=card.metrics,
        parameters=card.parameters,
        **heldout,
        **version_values(details, plots),
    )
    size = page.write(output, made)
    return WrittenVersion(str(output), card.ref, len(shots), heldout["wrong"], size, tuple(notices))


def _mistakes(
    card: Card,
    read_file: Callable[[str], bytes],
    corrections: bytes | None,
    missing: bool,
    progress: Stages,
) -> tuple[FoundMistakes | None, str]:
    """What was found; None with the reason, which is empty where another line has it."""
    if HELDOUT not in card.files:
        return None, f"{card.ref} has no record of held-out images, so no mistakes."
    if missing:
        return None, ""
    progress.stage("searching the data", 0)
    try:
        answers, labelled = read_file(HELDOUT), _labelled(card, read_file, corrections)
        return find_mistakes(card, answers, labelled, progress.reached), ""
    except HangtagError as error:
        return None, str(error)


def _labelled(
    card: Card, read_file: Callable[[str], bytes], corrections: bytes | None
) -> bytes | None:
    """Where the files are that people labelled: the version's own record, then the corrections."""
    name = learned_lines.file_of(card)
    if not name:
        return corrections
    lines = learned_lines.decode(read_file(name), card)
    lines += decode_input(corrections, input_sha256(corrections))
    return encode_lines(LabelsSoFar(learned_lines.in_order(lines)).lines())


def _shots(card: Card, mistakes: FoundMistakes, images: PageImages, progress: Stages) -> list[Shot]:
    names = [text.label(label) for label in card.labels]
    reads = {i: partial(_read, mistake) for i, mistake in enumerate(mistakes.mistakes)}
    pictures = images.thumbnails(reads, progress)
    return [_shot(mistake, names, pictures[i]) for i, mistake in enumerate(mistakes.mistakes)]


def _read(mistake: Mistake) -> bytes | Status:
    if mistake.path:
        return FileReader(os.getcwdb()).read(mistake.path)[0]
    return mistake.image or Status.MISSING


def _shot(mistake: Mistake, names: list[str], picture: Thumbnail) -> Shot:
    pairs = zip(mistake.labels, mistake.confidences, strict=True)
    labels = [(names[label], confidence) for label, confidence in pairs]
    known = mistake.path or mistake.name.encode(errors="replace") or b"not found"
    return Shot(
        text.path(known),
        text.file_name(known),
        picture,
        (mistake.truth, mistake.labels[0]),
        [Answer(*labels[0])],
        labels=labels,
        truth_text=names[mistake.truth],
        stated_by="is",
    )


def _heldout_values(
    card: Card, mistakes: FoundMistakes | None, shots: list[Shot]
) -> dict[str, Any]:
    if mistakes is None:
        return {"heldout": 0, "classes": [], "matrix": None, "galleries": [], "wrong": 0}
    counts = mistakes.confusion
    names = [text.label(label) for label in card.labels]
    totals = [sum(row) for row in counts]
    wrong = [sum(row[i] for row in counts) - counts[i][i] for i in range(len(names))]
    confused = [totals[i] - counts[i][i] + wrong[i] for i in range(len(names))]
    used = sorted((i for i in range(len(names)) if totals[i]), key=lambda i: -confused[i])
    return {
        "heldout": mistakes.count,
        "wrong": mistakes.count - sum(counts[i][i] for i in range(len(names))),
        "classes": sorted(per_class(names, counts), key=lambda figures: figures.recall),
        "matrix": matrix(card.labels, lambda t, p: counts[t][p], shots, used),
        "galleries": galleries(shots, names, wrong, _note, most_confident_first=True),
    }


def _note(shown: int, wrong: int) -> str:
    if shown == wrong:
        return "all held-out images that were wrongly taken for it, the most confident first"
    return f"{shown} of the images that were wrongly taken for it, the most confident ones"
