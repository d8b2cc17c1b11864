"""What a training needs to go on after its process died: one file, replaced whole each epoch."""

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
    """A state that another training has left, or the same one of another Hangtag."""


def save(path: Path, key: str, variables: Sequence[Any], history: Sequence[Any]) -> None:
    """Keep the values of `variables` and the `history`; `key` says whose they are."""
    arrays = {str(number): variable.numpy() for number, variable in enumerate(variables)}
    about = msgspec.json.encode([key, history])
    # A name of its own: one that slept may wake while its successor writes the same state.
    part = path.with_suffix(f".{socket.gethostname()}.{os.getpid()}.part")
    with atomic_file.created(part) as file:
        np.savez(file, allow_pickle=False, about=np.frombuffer(about, np.uint8), **arrays)
    failpoint("checkpoint.written")
    atomic_file.place(part, path)
    failpoint("checkpoint.placed")


def restore(path: Path, key: str, variables: Sequence[Any], kind: type[T]) -> list[T]:
    """Set `variables` to what was kept under this key; the history so far, empty without one.

    Raises:
        OtherTraining: `path` holds the state of another training.
    """
    if not path.exists():
        return []
    with np.load(path, allow_pickle=False) as kept:
        kept_key, history = json.loads(kept["about"].tobytes())
        if kept_key != key:
            raise OtherTraining(f"{path} belongs to another training; delete it or name another")
        for number, variable in enumerate(variables):
            variable.assign(kept[str(number)])
    return msgspec.convert(history, list[kind])  # type: ignore[valid-type]
