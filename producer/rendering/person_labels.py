"""The labels that people gave to the rows of a job, and those that they excluded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from producer.journal.following import typed_output
from producer.present.formatting import typed
from producer.rows.row_batch import RowBatch
from shared.errors import SetupError
from shared.labels import correction_log
from shared.labels.class_folders import problem_beside
from shared.labels.correction import Correction
from shared.labels.decided_rows import DecidedRows
from shared.messages.files import printable


def log_of(output: Path) -> Path:
    """The log of a table. A table that is to replace another one has the log of that."""
    return correction_log.log_path(typed_output(output))


def too_few(output: Path) -> SetupError:
    """The error of a log that is missing, or shorter than when the table was rendered."""
    return SetupError(
        f"{log_of(output)} has fewer corrections than the table; restore it, or "
        f"render the table without them: {typed(['hangtag', 'table', str(output)])} "
        "--no-corrections"
    )


def labels_now(output: Path, labels: Sequence[str]) -> PersonLabels | None:
    """All corrections that `output` has, whose model has these labels; None without any. Raises
    SetupError."""
    size = correction_log.complete_size(log_of(output))
    return PersonLabels(output, size, labels) if size else None


class PersonLabels:
    """The corrections in the first `size` bytes of the log of `output`, whose job has a model with
    these labels.

    Raises:
        SetupError: the log is damaged, has a label that cannot name a folder, or is shorter than
            when the table was rendered.
    """

    def __init__(self, output: Path, size: int, labels: Sequence[str]) -> None:
        path, self._model_labels = log_of(output), labels
        if size and (not path.exists() or path.stat().st_size < size):
            raise too_few(output)
        self._rows = DecidedRows()
        for line in correction_log.read(path, problem_beside(labels), size) if size else ():
            self._rows.add(line)
        decisions = self._rows.in_force.values()
        self._contents = {decision.content for decision in decisions}
        self._excluding = {decision.content for decision in decisions if decision.excluded}

    @property
    def labels(self) -> set[str]:
        """Every label that a person gave."""
        return {line.label for line in self._rows.in_force.values() if line.label}

    def of(self, batch: RowBatch) -> dict[int, str]:
        """The labels of the batch's rows, by index."""
        known = (i for i, content in enumerate(batch.contents) if content in self._contents)
        decided = ((i, self._decision(batch, i)) for i in known)
        return {i: decision.label for i, decision in decided if decision and decision.label}

    def excluded(self, batch: RowBatch) -> bytes:
        """1 for each row that does not have the model's label, as a person has said, else 0; empty
        if there is none."""
        if not self._excluding or self._excluding.isdisjoint(batch.contents):
            return b""
        mask = bytearray(len(batch))
        for i, content in enumerate(batch.contents):
            if content in self._excluding and not batch.statuses[i]:
                decision = self._decision(batch, i)
                guess = self._model_labels[batch.labels[i]]
                mask[i] = decision is not None and decision.excludes(guess)
        return bytes(mask)

    def _decision(self, batch: RowBatch, i: int) -> Correction | None:
        return self._rows.of(batch.contents[i], batch.first + i, lambda: printable(batch.names[i]))
