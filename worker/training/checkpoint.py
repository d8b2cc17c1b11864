"""The checkpoint of a training: one file, replaced atomically after each epoch."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from shared import atomic_file
from shared.errors import SetupError
from shared.failpoints import failpoint

T = TypeVar("T")


class OtherTraining(SetupError):
    """The state of another training, or of another version of Hangtag."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} belongs to another training; delete it or name another file")
        self.path = path


def save(path: Path, key: str, variables: Sequence[Any], history: Sequence[Any]) -> None:
    """Store the values of `variables` and the `history`; `key` identifies the training."""
    arrays = {str(number): variable.numpy() for number, variable in enumerate(variables)}
    about = msgspec.json.encode([key, history])
    # A unique name: a suspended trainer may resume while its successor writes the same state.
    part = path.with_suffix(f".{socket.gethostname()}.{os.getpid()}.part")
    with atomic_file.created(part) as file:
        np.savez(file, allow_pickle=False, about=np.frombuffer(about, np.uint8), **arrays)
    failpoint("checkpoint.written")
    atomic_file.place(part, path)
    failpoint("checkpoint.placed")


def restore(path: Path, key: str, variables: Sequence[Any], kind: type[T]) -> list[T]:
    """Set `variables` to the values stored under this key; return the history, empty without one.

    Raises:
        OtherTraining: `path` holds the state of another training.
    """
    if not path.exists():
        return []
    with np.load(path, allow_pickle=False) as stored:
        stored_key, history = json.loads(stored["about"].tobytes())
        if stored_key != key:
            raise OtherTraining(path)
        for number, variable in enumerate(variables):
            variable.assign(stored[str(number)])
    return msgspec.convert(history, list[kind])  # type: ignore[valid-type]
