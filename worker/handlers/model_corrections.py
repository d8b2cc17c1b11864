"""The corrections of a training: of its request, and of earlier versions of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.errors import SetupError, first_names
from shared.labels.class_folders import folder_of
from shared.labels.labelled_files import LabelledFile, decode_files
from shared.messages.model_card import Card
from shared.messages.replies import DataReport
from shared.messages.training import FASHION_MNIST, Train
from shared.registry import learned_corrections
from shared.registry.learned_corrections import LearnedDecision
from worker.datasets.corrected_walk import found_here
from worker.handlers.context import Context
from worker.learners.learner import BuiltVersion


class ModelCorrections(NamedTuple):
    """What a training learns from, and what its version has for later ones."""

    files: list[LabelledFile]  #: to learn from
    decisions: list[LearnedDecision]  #: all so far, also those that are left out
    earlier: int  #: of those with a label, known from earlier versions only
    unreadable: list[str]

    @property
    def excluded(self) -> dict[str, tuple[str, ...]]:
        """The names that images do not have, by SHA-256."""
        files = (decision.file for decision in self.decisions)
        return {file.sha256: file.excluded for file in files if file.excluded}

    def in_version(self, made: BuiltVersion, places: Mapping[str, bytes]) -> BuiltVersion:
        """With the record, unless there is nothing to record. `places` has the paths of the files
        that were found, by SHA-256."""
        if not self.decisions:
            return made
        placed = (_placed(decision, places) for decision in self.decisions)
        record = {learned_corrections.FILE: learned_corrections.encode(placed)}
        return made._replace(files=made.files | record)

    def noted(self, report: DataReport) -> DataReport:
        """With a note on each version whose record cannot be read."""
        notes = tuple(f"earlier corrections are missing: {line}" for line in self.unreadable)
        return msgspec.structs.replace(report, notes=(*report.notes, *notes))


def of(context: Context, work: Train) -> ModelCorrections:
    """The corrections of an attempt; the same for every attempt at a request.

    Raises:
        BadMessage: the request's corrections are not those that were submitted.
    """
    if work.data == FASHION_MNIST:
        return ModelCorrections([], [], 0, [])
    submitted = context.request.created
    given = [
        LearnedDecision(decision, submitted)
        for decision in decode_files(context.input, work.corrections)
    ]
    earlier = learned_corrections.of_model(context.registry, work.name, but=context.request.mark)
    decisions = learned_corrections.latest([*earlier.decisions, *given])
    new = {decision.file.sha256 for decision in given}
    before = [
        decision
        for decision in decisions
        if decision.file.label and decision.file.sha256 not in new
    ]
    learned = [] if work.without_corrections else list(learned_corrections.in_force(decisions))
    return ModelCorrections(learned, decisions, len(before), earlier.unreadable)


def _placed(decision: LearnedDecision, places: Mapping[str, bytes]) -> LearnedDecision:
    """The decision with the path at which its file was found, if it was."""
    file = decision.file
    path = places.get(file.sha256, file.path)
    return msgspec.structs.replace(decision, file=msgspec.structs.replace(file, path=path))


def to_measure(
    context: Context, card: Card, where: str
) -> tuple[list[LabelledFile], tuple[str, ...]]:
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
    earlier = learned_corrections.of_model(context.registry, card.name)
    labels, new = set(map(folder_of, card.labels)), {decision.sha256 for decision in given}
    known = [
        decision
        for decision in learned_corrections.in_force(earlier.decisions)
        if decision.sha256 not in new and folder_of(decision.label) in labels
    ]
    here = found_here(Path(where), known) if known else []
    notes = [f"earlier corrections are missing: {line}" for line in earlier.unreadable]
    if here:
        count = f"{len(here):,} image{'s' if len(here) > 1 else ''}"
        notes.insert(0, f"{count} measured by the label that a person gave for an earlier training")
    return [*measured, *here], (*left_out, *notes)


def _measurable(
    given: Sequence[LabelledFile], card: Card
) -> tuple[list[LabelledFile], tuple[str, ...]]:
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
