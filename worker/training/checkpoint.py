"""The checkpoint of a training: one file, replaced atomically after each epoch."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from shared import atomic_file
from shared.errors import MISFITS, SetupError
from shared.failpoints import failpoint
from worker.runtimes.array_archive import arrays

T = TypeVar("T")


class OtherTraining(SetupError):
    """The state of another training or of another version of Hangtag, or a damaged one."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} belongs to another training or is damaged; delete it or name another file"
        )
        self.path = path


def save(path: Path, key: str, variables: Sequence[Any], history: Sequence[Any]) -> None:
    """Store the values of `variables` and the history; `key` identifies the training."""
    values = {str(number): variable.numpy() for number, variable in enumerate(variables)}
    about = msgspec.json.encode([key, history])
    # A unique name: a suspended trainer may resume while its successor writes the same state.
    part = path.with_suffix(f".{socket.gethostname()}.{os.getpid()}.part")
    with atomic_file.created(part) as file:
        np.savez(file, allow_pickle=False, about=np.frombuffer(about, np.uint8), **values)
    failpoint("checkpoint.written")
    atomic_file.place(part, path)
    failpoint("checkpoint.placed")


def restore(path: Path, key: str, variables: Sequence[Any], kind: type[T]) -> list[T]:
    """Set `variables` to the values stored under this key; return the history, empty without one.

    Raises:
        OtherTraining: `path` holds no state of this training; `variables` are unchanged.
    """
    if not path.exists():
        return []
    try:
        with arrays(path.read_bytes()) as stored:
            about = stored["about"].tobytes()
            stored_key, history = msgspec.json.decode(
                about,
                type=tuple[str, list[kind]],  # type: ignore[valid-type]
            )
            values = [stored[str(number)] for number in range(len(variables))]
    except (ValueError, *MISFITS) as error:
        raise OtherTraining(path) from error
    shapes = [tuple(variable.shape) for variable in variables]
    if stored_key != key or [value.shape for value in values] != shapes:
        raise OtherTraining(path)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return history
