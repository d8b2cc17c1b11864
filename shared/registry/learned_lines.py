"""The lines of decisions that a model has learned from: a labels file in each version that a
training published.

Each version has all lines so far, also those that its own training left out, so none is lost with
an older version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import msgspec

from shared.errors import MISFITS, BadMessage, SetupError
from shared.labels.label_line import NO_CRC32, LabelLine, placed
from shared.labels.submitted_lines import decode_lines
from shared.messages.model_card import Card
from shared.registry.registry import Registry

FILE = "labels.jsonl"
#: The file of 0.2.0.
OLD_FILE = "corrections.json"


class Earlier(NamedTuple):
    """What the versions of a model have."""

    lines: list[LabelLine]
    unreadable: list[str]  #: a line for each version whose record cannot be read


def file_of(card: Card) -> str:
    """The name of the file of a version; empty if it has learned from no decisions."""
    return next((name for name in (FILE, OLD_FILE) if name in card.files), "")


def is_of_labels(card: Card) -> bool:
    """Whether the version learned from a labels file, and so from no class folders."""
    return bool(file_of(card)) and not card.source


def read(registry: Registry, card: Card) -> list[LabelLine]:
    """The lines that a version has; none if it has no record.

    Raises:
        SetupError: the record is damaged or of a newer version.
    """
    name = file_of(card)
    return decode(registry.read(card, name), card) if name else []


def decode(data: bytes, card: Card) -> list[LabelLine]:
    """The lines in the record of a version. Raises as `read`."""
    try:
        return decode_lines(data) if FILE in card.files else _of_0_2_0(data)
    except (BadMessage, *MISFITS) as error:
        raise SetupError(f"{file_of(card)} of {card.ref} cannot be read ({error})") from error


def of_model(registry: Registry, name: str, but: str = "") -> Earlier:
    """The lines of all versions of a model; `but` is the mark of a request to leave out."""
    lines, unreadable = list[LabelLine](), list[str]()
    for number in registry.versions(name):
        try:
            card = registry.card(name, number)
            if not but or card.request != but:
                lines += read(registry, card)
        except SetupError as error:
            unreadable.append(str(error))
    return Earlier(lines, unreadable)


def in_order(lines: Iterable[LabelLine]) -> Iterator[LabelLine]:
    """Lines of several versions, tables or labels files, by their time: the last decision of a
    person holds. One without a place has that of an earlier line about its image."""
    places: dict[str, str] = {}
    for line in sorted(lines, key=lambda line: line.at):
        place = places[line.sha256] = line.path or places.get(line.sha256, "")
        yield msgspec.structs.replace(line, path=place)


class _OldFile(msgspec.Struct):
    """A label of a version of 0.2.0; an empty one was taken back."""

    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    size: int
    label: str
    path: bytes
    crc32: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{8})?$")] = ""
    by: str = ""
    at: str = ""
    by_chance: bool = False


class _OldDecision(msgspec.Struct):
    file: _OldFile
    submitted: float


class _OldRecord(msgspec.Struct):
    decisions: list[_OldDecision]


def _of_0_2_0(data: bytes) -> list[LabelLine]:
    return [_line(old) for old in msgspec.json.decode(data, type=_OldRecord).decisions]


def _line(old: _OldDecision) -> LabelLine:
    file = old.file
    submitted = datetime.fromtimestamp(old.submitted, UTC).isoformat(timespec="milliseconds")
    line = LabelLine(
        sha256=file.sha256, size=file.size, crc32=file.crc32 or NO_CRC32, kind="label",
        label=file.label, by_chance=file.by_chance, by=file.by, at=file.at or submitted,
        undo=not file.label,
    )  # fmt: skip
    return placed(line, file.path)
