"""The labels that people gave to the rows of a job, and those that they excluded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from producer.present.formatting import counted, typed
from producer.rows.row_batch import RowBatch
from shared.errors import SetupError
from shared.labels import correction_log
from shared.labels.class_folders import problem_beside
from shared.labels.correction import Content
from shared.labels.decided_rows import DecidedRows


def too_few(output: Path) -> SetupError:
    """The error of a log that is missing, or shorter than when the table was rendered."""
    return SetupError(
        f"{correction_log.log_path(output)} has fewer corrections than the table; restore it, or "
        f"render the table without them: {typed(['hangtag', 'table', str(output)])} "
        "--no-corrections"
    )


def labels_now(output: Path, labels: Sequence[str]) -> PersonLabels | None:
    """All corrections that `output` has, whose model has these labels; None without any. Raises
    SetupError."""
    size = correction_log.complete_size(correction_log.log_path(output))
    return PersonLabels(output, size, labels) if size else None


class PersonLabels:
    """The corrections in the first `size` bytes of the log of `output`, whose job has a model with
    these labels.

    Raises:
        SetupError: the log is damaged, has a label that cannot name a folder, or is shorter than
            when the table was rendered.
    """

    def __init__(self, output: Path, size: int, labels: Sequence[str]) -> None:
        path, self._model_labels = correction_log.log_path(output), labels
        if size and (not path.exists() or path.stat().st_size < size):
            raise too_few(output)
        self._output, self._rows = output, DecidedRows()
        for line in correction_log.read(path, problem_beside(labels), size) if size else ():
            self._rows.add(line)
        decisions = self._rows.in_force.values()
        self._contents = {decision.content for decision in decisions}
        self._excluding = {decision.content for decision in decisions if decision.excluded}

    @property
    def labels(self) -> set[str]:
        """Every label that a person gave."""
        return {line.label for line in self._rows.in_force.values() if line.label}

    @property
    def unproven(self) -> str:
        """A line on decisions whose rows were never compared; empty if there are none."""
        count = self._rows.unproven
        if not count:
            return ""
        review = typed(["hangtag", "review", str(self._output)])
        return (
            f"{counted(count, 'decision')} of an earlier Hangtag found their rows by size and "
            f"CRC-32 only; compare the files with: {review}"
        )

    def of(self, batch: RowBatch) -> dict[int, str]:
        """The labels of the batch's rows, by index."""
        rows = enumerate(batch.contents)
        labels = {i: self.label(batch.first + i, content) for i, content in rows}
        return {i: label for i, label in labels.items() if label is not None}

    def label(self, row: int, content: Content) -> str | None:
        """The label of a row, counted from 1, whose file has this content."""
        decision = self._rows.of(content, row) if content in self._contents else None
        return (decision.label or None) if decision else None

    def excluded(self, batch: RowBatch) -> bytes:
        """1 for each row that does not have the model's label, as a person has said, else 0; empty
        if there is none."""
        if not self._excluding or self._excluding.isdisjoint(batch.contents):
            return b""
        mask = bytearray(len(batch))
        for i, content in enumerate(batch.contents):
            if content in self._excluding and not batch.statuses[i]:
                decision = self._rows.of(content, batch.first + i)
                guess = self._model_labels[batch.labels[i]]
                mask[i] = decision is not None and decision.excludes(guess)
        return bytes(mask)
