"""The labels that people gave to the rows of a job, and those that they excluded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from producer.present.formatting import typed
from producer.rows.row_batch import RowBatch
from shared.errors import SetupError
from shared.labels import labels_file
from shared.labels.class_folders import problem_beside
from shared.labels.label_line import Content
from shared.messages.files import printable


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
        if size and (not path.exists() or path.stat().st_size < size):
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

    def of(self, batch: RowBatch) -> dict[int, str]:
        """The labels of the batch's rows, by index."""
        return {i: known.label for i, known in self._known(batch, self._rows.lines) if known.label}

    def excluded(self, batch: RowBatch) -> bytes:
        """1 for each row that does not have the model's label, as a person has said, else 0; empty
        if there is none."""
        if not self._excluding or self._excluding.isdisjoint(batch.contents):
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
