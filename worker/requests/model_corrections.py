"""The corrections of a training: of its request, and of earlier versions of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.errors import SetupError, first_names
from shared.labels.class_folders import folder_of
from shared.labels.label_line import LabelLine, placed
from shared.labels.labels_so_far import LabelsSoFar
from shared.labels.submitted_lines import decode_input, encode_lines, labelled
from shared.messages.model_card import Card
from shared.messages.replies import DataReport
from shared.messages.training import FASHION_MNIST, Train
from shared.registry import learned_lines
from worker.datasets.corrected_walk import found_here
from worker.requests.context import Context
from worker.train.learner import BuiltVersion


class ModelCorrections(NamedTuple):
    """What a training learns from, and what its version has for later ones."""

    files: list[LabelLine]  #: to learn from: the lines of labels
    lines: list[LabelLine]  #: all so far, also those that are left out
    earlier: int  #: of the labels, those known from earlier versions only
    unreadable: list[str]

    @property
    def excluded(self) -> dict[str, tuple[str, ...]]:
        """The names that images do not have, by SHA-256."""
        so_far = LabelsSoFar(self.lines)
        names = {line.sha256: so_far.excluded(line.sha256) for line in self.lines}
        return {sha256: excluded for sha256, excluded in names.items() if excluded}

    def in_version(self, made: BuiltVersion, places: Mapping[str, bytes]) -> BuiltVersion:
        """With the record, unless there is nothing to record. `places` has the paths of the files
        that were found, by SHA-256."""
        if not self.lines:
            return made
        located = (
            placed(line, places[line.sha256]) if line.sha256 in places else line
            for line in self.lines
        )
        return made._replace(files=made.files | {learned_lines.FILE: encode_lines(located)})

    def noted(self, report: DataReport) -> DataReport:
        """With a note on each version whose record cannot be read."""
        notes = tuple(f"earlier corrections are missing: {line}" for line in self.unreadable)
        return msgspec.structs.replace(report, notes=(*report.notes, *notes))


def to_learn(context: Context, work: Train) -> ModelCorrections:
    """The corrections of an attempt; the same for every attempt at a request.

    Raises:
        BadMessage: the request's corrections are not those that were submitted.
    """
    if work.data == FASHION_MNIST:
        return ModelCorrections([], [], 0, [])
    given = decode_input(context.input, work.corrections)
    earlier = learned_lines.of_model(context.registry, work.name, but=context.request.mark)
    so_far = LabelsSoFar(learned_lines.in_order([*earlier.lines, *given]))
    learned, new = so_far.labelled(), {line.sha256 for line in given}
    before = sum(line.sha256 not in new for line in learned)
    files = [] if work.without_corrections else learned
    return ModelCorrections(files, list(so_far.lines()), before, earlier.unreadable)


def to_measure(context: Context, card: Card, where: str) -> tuple[list[LabelLine], tuple[str, ...]]:
    """The labels that people gave to images of a folder, and notes: those of the request, and those
    that any version of the model has for images that lie there; in both cases those with a label of
    this version. So all versions are measured by the same labels.

    Raises:
        BadMessage: the request's corrections are not those that were submitted.
        SetupError: there is no such folder, or the version lacks the labels of all corrections of
            the request.
    """
    given = context.corrections
    if where == FASHION_MNIST:
        return given, ()
    measured, left_out = _measurable(given, card)
    earlier = learned_lines.of_model(context.registry, card.name)
    labels, new = set(map(folder_of, card.labels)), {decision.sha256 for decision in given}
    known = [
        decision
        for decision in labelled(learned_lines.in_order(earlier.lines))
        if decision.sha256 not in new and folder_of(decision.label) in labels
    ]
    here = found_here(Path(where), known) if known else []
    notes = [f"earlier corrections are missing: {line}" for line in earlier.unreadable]
    if here:
        count = f"{len(here):,} image{'s' if len(here) > 1 else ''}"
        notes.insert(0, f"{count} measured by the label that a person gave for an earlier training")
    return [*measured, *here], (*left_out, *notes)


def _measurable(given: Sequence[LabelLine], card: Card) -> tuple[list[LabelLine], tuple[str, ...]]:
    """The corrections with a label of the version, and a note on the others. Raises SetupError if
    there are others only."""
    folders = set(map(folder_of, card.labels))
    measured = [file for file in given if folder_of(file.label) in folders]
    if len(measured) == len(given):
        return measured, ()
    absent = {file.label for file in given if folder_of(file.label) not in folders}
    lacks = f"{card.ref} lacks {first_names([*map(repr, sorted(absent))])}"
    if not measured:
        raise SetupError(
            f"no correction has a label of the version: {lacks}; "
            "name a version with these labels, or leave out --corrections"
        )
    count = len(given) - len(measured)
    return measured, (f"{count:,} correction{'s' if count > 1 else ''} left out: {lacks}",)
