"""The labels that people gave to the rows of a job, and those that they excluded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.job.batch_reader import BatchReader
from producer.job.row_batch import RowBatch
from producer.present.formatting import counted, one_line, typed
from shared.errors import SetupError
from shared.image_status import Status
from shared.labels import labels_file
from shared.labels.class_folders import problem_beside
from shared.labels.label_line import Content, LabelLine
from shared.labels.labels_file import LabelsFile
from shared.messages.files import printable
from shared.messages.model_card import Card

#: Labels of people that are named because the version does not have them.
LABELS_SHOWN = 5


def too_few(output: Path) -> SetupError:
    """The error of a log that is missing, or shorter than when the table was rendered."""
    return SetupError(
        f"{labels_file.of_table(output)} has fewer corrections than the table; restore it, or "
        f"render the table without them: {typed(['hangtag', 'table', str(output)])} "
        "--no-corrections"
    )


def labels_now(output: Path, labels: Sequence[str]) -> PersonLabels | None:
    """All corrections that `output` has, whose model has these labels; None without any. Raises
    SetupError."""
    size = labels_file.complete_size(labels_file.of_table(output))
    return PersonLabels(output, size, labels) if size else None


class _Known(NamedTuple):
    """What holds for an image."""

    label: str
    excluded: Collection[str]


class PersonLabels:
    """The corrections in the first `size` bytes of the log of `output`, whose job has a model with
    these labels.

    Raises:
        SetupError: the log is damaged, has a label that cannot name a folder, or is shorter than
            when the table was rendered.
    """

    def __init__(self, output: Path, size: int, labels: Sequence[str]) -> None:
        path, self._model_labels = labels_file.of_table(output), labels
        if not path.exists() or path.stat().st_size < size:
            raise too_few(output)
        self._rows = labels_file.read(path, problem_beside(labels), size)
        so_far = self._rows.so_far
        self._images: dict[str, _Known] = {}
        self._excluding = set[Content]()
        for content, lines in self._rows.lines.items():
            for sha256 in {line.sha256 for line in lines}:
                decided, excluded = so_far.of(sha256), so_far.excluded(sha256)
                self._images[sha256] = _Known(decided.label if decided else "", excluded)
                if excluded:
                    self._excluding.add(content)

    @property
    def labels(self) -> set[str]:
        """Every label that a person gave."""
        return {known.label for known in self._images.values() if known.label}

    def labels_by_row(self, batch: RowBatch) -> dict[int, str]:
        """The labels of the batch's rows, by index."""
        return {i: known.label for i, known in self._known(batch, self._rows.lines) if known.label}

    def excluded(self, batch: RowBatch) -> bytes:
        """1 for each row that does not have the model's label, as a person has said, else 0; empty
        if there is none."""
        if self._excluding.isdisjoint(batch.contents):
            return b""
        mask = bytearray(len(batch))
        for i, known in self._known(batch, self._excluding):
            guess = self._model_labels[batch.labels[i]]
            mask[i] = not batch.statuses[i] and guess in known.excluded
        return bytes(mask)

    def _known(
        self, batch: RowBatch, contents: Collection[Content]
    ) -> Iterator[tuple[int, _Known]]:
        """What holds for the rows with these contents, by index."""
        for i, content in enumerate(batch.contents):
            if content in contents:
                path = partial(printable, batch.names[i])
                sha256 = self._rows.sha256(content, batch.first + i, path)
                yield i, self._images[sha256]


class Taken(NamedTuple):
    """What was appended to a log."""

    size: int  #: of the log that was read
    learned: Sequence[LabelLine] = ()  #: lines of the version that hold for rows
    new: int = 0  #: of these, not in the log before


def take_learned(
    output: Path,
    journal: BatchReader,
    labels: Sequence[str],
    learned: Sequence[LabelLine],
    passed: Callable[[int], None] = lambda rows: None,
) -> Taken:
    """Append each line that was learned about the image of a row, unless the log has a later one.
    `labels` are those of the job's model. `passed` gets the number of rows that were compared.

    Raises:
        SetupError: the log cannot be read or written, or is damaged.
    """
    size = labels_file.complete_size(labels_file.of_table(output))
    log = LabelsFile(labels_file.of_table(output), problem_beside(labels), held=False)
    known: dict[str, list[LabelLine]] = {}
    for line in chain.from_iterable(log.rows.lines.values()):
        known.setdefault(line.sha256, []).append(line)
    new: dict[Content, list[LabelLine]] = {}
    for line in learned:
        if not any(_replaces(other, line) for other in known.get(line.sha256, ())):
            new.setdefault(line.content, []).append(line)
    lines = list(_lines_of_rows(journal, labels, new, passed)) if new else []
    if lines:
        log.append(lines)
    earlier = [
        line
        for line in learned
        if any(_is_equal(other, line) for other in known.get(line.sha256, ()))
    ]
    return Taken(size, [*earlier, *lines], len(lines))


def notices(taken: Taken, output: Path, card: Card) -> Iterator[str]:
    """What to say of the decisions that a version has learned, once they are in the log."""
    if not taken.new:
        return
    labels = [line.label for line in taken.learned if line.kind == "label"]
    others = len({line.sha256 for line in taken.learned}) - len(labels)
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


def _replaces(logged: LabelLine, learned: LabelLine) -> bool:
    """Whether a line of the log about an image is as late as one that was learned, and about the
    same: its label, or that it has a certain one."""
    is_of_name = "not-this" in (logged.kind, learned.kind)
    return logged.at >= learned.at and (not is_of_name or logged.label == learned.label)


def _is_equal(logged: LabelLine, learned: LabelLine) -> bool:
    return (logged.at, logged.kind, logged.label) == (learned.at, learned.kind, learned.label)


def _lines_of_rows(
    journal: BatchReader,
    labels: Sequence[str],
    new: Mapping[Content, Sequence[LabelLine]],
    passed: Callable[[int], None],
) -> Iterator[LabelLine]:
    """The lines of files that a labelled row has, by size and CRC-32."""
    waiting = dict(new)
    for batch in journal.row_batches():
        for i, content in enumerate(batch.contents):
            if content in waiting and batch.statuses[i] == Status.OK.code:
                path, guess = printable(batch.names[i]), labels[batch.labels[i]]
                for line in waiting.pop(content):
                    yield msgspec.structs.replace(
                        line, path=path, rows=(batch.first + i,), guess=guess
                    )
        passed(len(batch))
