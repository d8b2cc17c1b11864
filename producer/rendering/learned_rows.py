"""Adds the labels of people that a version has learned to the decisions about its table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.journal.batch_reader import BatchReader
from producer.present.formatting import counted, one_line
from producer.rendering.person_labels import log_of
from shared.image_status import Status
from shared.labels import correction_log
from shared.labels.class_folders import problem_beside
from shared.labels.correction import Content, Correction
from shared.labels.decided_rows import DecidedRows
from shared.labels.labelled_files import LabelledFile
from shared.messages.files import printable
from shared.messages.model_card import Card

#: Labels of people that are named because the version does not have them.
LABELS_SHOWN = 5


class Taken(NamedTuple):
    """What was appended to a log."""

    size: int  #: of the log that was read
    learned: Sequence[Correction] = ()  #: decisions of the version that hold for rows
    new: int = 0  #: of these, not in the log before


def take_learned(
    output: Path,
    journal: BatchReader,
    labels: Sequence[str],
    learned: Sequence[LabelledFile],
    passed: Callable[[int], None] = lambda rows: None,
) -> Taken:
    """Append a line for each decision that was learned about the image of a row, unless the log has
    a later one. `labels` are those of the job's model. `passed` gets the number of rows that were
    compared.

    Raises:
        SetupError: the log cannot be read or written, or is damaged.
    """
    log = log_of(output)
    follower, decided = correction_log.Follower(log, problem_beside(labels)), DecidedRows()
    for decision in follower.new():
        decided.add(decision)
    new: dict[Content, list[LabelledFile]] = {}
    for file in learned:
        if _is_later(file, decided):
            new.setdefault(file.content, []).append(file)
    lines = list(_lines(journal, labels, new, decided, passed)) if new else []
    if lines:
        correction_log.append(log, lines)
    earlier = [decided.in_force[file.sha256] for file in learned if _holds(file, decided)]
    return Taken(follower.size, [*earlier, *lines], len(lines))


def said(taken: Taken, output: Path, card: Card) -> Iterator[str]:
    """What to say of the decisions that a version has learned, once they are in the log."""
    if not taken.new:
        return
    labels = [line.label for line in taken.learned if line.label]
    others = len(taken.learned) - len(labels)
    if labels:
        verb = "is a correction" if len(labels) == 1 else "are corrections"
        yield (
            f"{counted(len(labels), 'label')} that people gave {verb} of {output.name}; "
            "a summary counts the labels of the model"
        )
    if others:
        yield (
            f"{counted(others, 'image')} with labels that people excluded: unknown where the model "
            "gives one of these"
        )
    unknown = sorted(set(labels) - set(card.labels))
    if unknown:
        some = ", ".join(one_line(label) for label in unknown[:LABELS_SHOWN])
        more = f" and {len(unknown) - LABELS_SHOWN:,} more" if unknown[LABELS_SHOWN:] else ""
        yield f"{card.ref} does not give all of these labels: not {some}{more}"


def _is_later(file: LabelledFile, decided: DecidedRows) -> bool:
    """Whether something was learned after the last decision that the log has about the image. Its
    line has the same time, so it is written once."""
    last = decided.last(file.sha256)
    return last is None or last.at < file.at


def _holds(file: LabelledFile, decided: DecidedRows) -> bool:
    """Whether the log has this decision already."""
    line = decided.in_force.get(file.sha256)
    return line is not None and line.at == file.at and file.label in ("", line.label)


def _lines(
    journal: BatchReader,
    labels: Sequence[str],
    new: Mapping[Content, Sequence[LabelledFile]],
    decided: DecidedRows,
    passed: Callable[[int], None],
) -> Iterator[Correction]:
    """A line for each of these files that a labelled row has, by its size and CRC-32."""
    waiting = dict(new)
    for batch in journal.row_batches():
        for i, content in enumerate(batch.contents):
            if content in waiting and batch.statuses[i] == Status.OK.code:
                path, guess = printable(batch.names[i]), labels[batch.labels[i]]
                for file in waiting.pop(content):
                    yield _line(_with_label(file, decided), path, batch.first + i, guess)
        passed(len(batch))


def _with_label(file: LabelledFile, decided: DecidedRows) -> LabelledFile:
    """A label that the log has stays if nothing contradicts it."""
    before = decided.in_force.get(file.sha256)
    if not file.label and before is not None and before.label not in ("", *file.excluded):
        return msgspec.structs.replace(file, label=before.label, by=before.by)
    return file


def _line(file: LabelledFile, path: str, row: int, guess: str) -> Correction:
    return Correction(
        file.sha256, path, row, guess, file.label, file.by, file.size, file.crc32, file.at,
        rows=[row], excluded=file.excluded,
    )  # fmt: skip
