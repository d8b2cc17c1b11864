"""`hangtag models report`: a version as one HTML file: its figures, plots and mistakes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from producer.models.corrected_files import corrections_input
from producer.models.load_catalog import load_catalog
from producer.models.show import VersionDetails, find
from producer.pages import page, text
from producer.pages.matrix import matrix
from producer.pages.pictures import PageImages, Picture
from producer.pages.shots import Answer, Shot, galleries
from producer.present.meter import Stages
from producer.present.progress import make_progress
from producer.report import model_part
from producer.report.heldout_mistakes import find_mistakes
from producer.sources.reader import FileReader
from producer.summary.class_figures import per_class
from shared.errors import HangtagError
from shared.image_status import Status
from shared.labels.labels_so_far import LabelsSoFar
from shared.labels.submitted_lines import decode_input, encode_lines, input_sha256
from shared.messages.model_card import Card
from shared.messages.model_name import parse
from shared.pipes.mistakes import Found, Mistake
from shared.registry import learned_lines
from shared.runtimes import HELDOUT
from shared.settings import Settings


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
    catalog = load_catalog(settings)
    details = find(catalog, parse(model))
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
    plots = model_part.plots(card, read_file, images)
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
        **model_part.values(details, plots),
    )
    page.write(output, made)
    size = len(made.html.encode(errors="replace"))
    return WrittenVersion(str(output), card.ref, len(shots), heldout["wrong"], size, tuple(notices))


class _MistakesReply(NamedTuple):
    found: Found | None
    why: str  #: there is nothing


def _mistakes(
    card: Card,
    read_file: Callable[[str], bytes],
    corrections: bytes | None,
    missing: bool,
    progress: Stages,
) -> _MistakesReply:
    if HELDOUT not in card.files:
        return _MistakesReply(None, f"{card.ref} has no record of held-out images, so no mistakes.")
    if missing:
        return _MistakesReply(None, "")
    progress.stage("searching the data", 0)
    try:
        answers, labelled = (
            read_file(HELDOUT),
            _labelled(card, read_file, corrections),
        )
        return _MistakesReply(find_mistakes(card, answers, labelled, progress.reached), "")
    except HangtagError as error:
        return _MistakesReply(None, str(error))


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


def _shots(card: Card, mistakes: Found, images: PageImages, progress: Stages) -> list[Shot]:
    names = [text.label(label) for label in card.labels]
    reads = {i: partial(_read, mistake) for i, mistake in enumerate(mistakes.mistakes)}
    pictures = images.thumbnails(reads, progress)
    return [_shot(mistake, names, pictures[i]) for i, mistake in enumerate(mistakes.mistakes)]


def _read(mistake: Mistake) -> bytes | Status:
    if mistake.path:
        return FileReader(os.getcwdb()).read(mistake.path)[0]
    return mistake.image or Status.MISSING


def _shot(mistake: Mistake, names: list[str], picture: Picture) -> Shot:
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


def _heldout_values(card: Card, mistakes: Found | None, shots: list[Shot]) -> dict[str, Any]:
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
