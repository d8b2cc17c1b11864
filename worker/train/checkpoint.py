"""The state of a training in a file, after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from shared import atomic_file
from shared.errors import MISFITS, SetupError
from shared.failpoints import failpoint
from worker.evaluation.metrics import Epoch
from worker.runtimes.array_archive import arrays


class OtherTraining(SetupError):
    """The state of another training or of another version of Hangtag, or a damaged one."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} belongs to another training or is damaged; delete it or name another file"
        )
        self.path = path


class Checkpoint:
    """The state of a training: one file, replaced atomically after each epoch. Without a file
    nothing is stored."""

    def __init__(self, file: Path | None, key: str, variables: Sequence[Any]) -> None:
        """Set `variables` to the values stored under this key, which identifies the training.

        Raises:
            OtherTraining: the file holds no state of this training; `variables` are unchanged.
        """
        self._file, self._key, self._variables = file, key, variables
        self.history: list[Epoch] = self._restored(file) if file and file.exists() else []

    def add(self, epoch: Epoch) -> None:
        """Store the end of an epoch."""
        self.history.append(epoch)
        if not self._file:
            return
        values = {str(number): each.numpy() for number, each in enumerate(self._variables)}
        about = np.frombuffer(msgspec.json.encode([self._key, self.history]), np.uint8)
        part = self._file.with_suffix(".part")
        with atomic_file.created(part) as file:
            np.savez(file, allow_pickle=False, about=about, **values)
        failpoint("checkpoint.written")
        atomic_file.rename_durably(part, self._file)
        failpoint("checkpoint.placed")

    def _restored(self, file: Path) -> list[Epoch]:
        try:
            with arrays(file.read_bytes()) as stored:
                about = stored["about"].tobytes()
                key, history = msgspec.json.decode(about, type=tuple[str, list[Epoch]])
                values = [stored[str(number)] for number in range(len(self._variables))]
        except (ValueError, *MISFITS) as error:
            raise OtherTraining(file) from error
        shapes = [tuple(variable.shape) for variable in self._variables]
        if key != self._key or [value.shape for value in values] != shapes:
            raise OtherTraining(file)
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
        return history
