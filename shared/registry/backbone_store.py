"""The backbones of a store: STORE/backbones/SHA256.tflite, one file for all versions that name it.

A file stays when the last version that names it is removed: the next training needs it again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from shared import atomic_file
from shared.errors import SetupError
from shared.ledger.request_store import replace

FOLDER = "backbones"


def path(store: Path, sha256: str) -> Path:
    """Where a backbone lies."""
    return store / FOLDER / f"{sha256}.tflite"


def put(store: Path, data: bytes) -> str:
    """Store a backbone, unless it is there and whole; returns its SHA-256.

    Raises:
        OSError: the folder cannot be written.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    with suppress(SetupError), opened(store, sha256):
        return sha256
    file = path(store, sha256)
    atomic_file.make_folder(file.parent)
    replace(file, data)
    return sha256


@contextmanager
def opened(store: Path, sha256: str) -> Iterator[BufferedReader]:
    """A backbone, verified, open at its start. Who reads it verifies it again.

    Raises:
        SetupError: it is missing or damaged.
    """
    try:
        file = os.fdopen(os.open(path(store, sha256), os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except OSError as error:
        raise SetupError(_damaged(store, sha256, "is missing")) from error
    with file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise SetupError(_damaged(store, sha256, "does not match its name"))
        file.seek(0)
        yield file


def read(store: Path, sha256: str) -> bytes:
    """The bytes of a backbone. Raises SetupError as `opened`."""
    with opened(store, sha256) as file:
        return file.read()


def _damaged(store: Path, sha256: str, fault: str) -> str:
    remedy = "restore it from a backup, or train the version again"
    return f"the backbone {path(store, sha256)} {fault}; {remedy}"
