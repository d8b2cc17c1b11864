"""The corrections that a model has learned from: a file of each version that a training published.

Each version has all decisions so far, also those that its own training left out, so none is lost
with an older version. The decision that was submitted last holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from shared.errors import MISFITS, SetupError
from shared.labels.class_folders import folder_of
from shared.labels.labelled_files import LabelledFile
from shared.messages.model_card import Card
from shared.registry.registry import Registry

FILE = "corrections.json"
FORM = 1


class LearnedDecision(msgspec.Struct, frozen=True):
    """One decision. Without a label and names that it excludes it was taken back."""

    file: LabelledFile
    submitted: float  #: when its training was requested, seconds since 1970


class LearnedDecisions(msgspec.Struct, frozen=True):
    """The file of a version."""

    decisions: tuple[LearnedDecision, ...]
    form: int = FORM


class Earlier(NamedTuple):
    """What the versions of a model have."""

    decisions: list[LearnedDecision]
    unreadable: list[str]  #: a line for each version whose record cannot be read


def is_of_labels(card: Card) -> bool:
    """Whether the version learned from a labels file, and so from no class folders."""
    return FILE in card.files and not card.source


def encode(decisions: Iterable[LearnedDecision]) -> bytes:
    """The record of a version. Equal decisions have equal bytes."""
    return msgspec.json.encode(LearnedDecisions(tuple(decisions)))


def read(registry: Registry, card: Card) -> list[LearnedDecision]:
    """The decisions that a version has; none if it has no record.

    Raises:
        SetupError: the record is damaged or has a newer form.
    """
    return decode(registry.read(card, FILE), card) if FILE in card.files else []


def decode(data: bytes, card: Card) -> list[LearnedDecision]:
    """The decisions in the record of a version. Raises as `read`."""
    try:
        record = msgspec.json.decode(data, type=LearnedDecisions)
    except MISFITS as error:
        raise SetupError(f"{FILE} of {card.ref} cannot be read ({error})") from error
    if record.form > FORM:
        raise SetupError(f"{FILE} of {card.ref} has a newer form; install that version of Hangtag")
    return list(record.decisions)


def of_model(registry: Registry, name: str, but: str = "") -> Earlier:
    """The decisions of all versions of a model; `but` is the mark of a request to leave out."""
    decisions, unreadable = list[LearnedDecision](), list[str]()
    for number in registry.versions(name):
        try:
            card = registry.card(name, number)
            if not but or card.request != but:
                decisions += read(registry, card)
        except SetupError as error:
            unreadable.append(str(error))
    return Earlier(latest(decisions), unreadable)


def latest(decisions: Iterable[LearnedDecision]) -> list[LearnedDecision]:
    """The last decision on each file, ordered by its SHA-256; of equal times the last one given.

    A file that was not found for it keeps the path of an earlier decision, and one whose decision
    excludes no name those that were excluded before.
    """
    by_file: dict[str, LearnedDecision] = {}
    for decision in sorted(decisions, key=lambda decision: decision.submitted):
        before = by_file.get(decision.file.sha256)
        path = decision.file.path or (before.file.path if before else b"")
        excluded = _excluded(decision.file, before.file if before else None)
        file = msgspec.structs.replace(decision.file, path=path, excluded=excluded)
        by_file[decision.file.sha256] = msgspec.structs.replace(decision, file=file)
    return [by_file[sha256] for sha256 in sorted(by_file)]


def _excluded(file: LabelledFile, before: LabelledFile | None) -> tuple[str, ...]:
    """The names that a file does not have, after a decision."""
    # A labels file that takes everything back has a CRC-32; a table that does so has none, and may
    # not know these names.
    if before is None or file.excluded or (file.crc32 and not file.label):
        return file.excluded
    return tuple(name for name in before.excluded if folder_of(name) != folder_of(file.label))


def in_force(decisions: Iterable[LearnedDecision]) -> Iterator[LabelledFile]:
    """The files with a label."""
    return (decision.file for decision in decisions if decision.file.label)
