"""The backbones of a store: STORE/backbones/SHA256.tflite, one file for all versions that name it.

A file stays when the last version that names it is removed: the next training needs it again. One
that ships is read from the package where the store's is missing or damaged.
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
#: NAME.tflite for each row of the table in worker/backbones/.
PACKAGED = Path(__file__).with_name("packaged_backbones")


def path(store: Path, sha256: str) -> Path:
    """Where a backbone lies."""
    return store / FOLDER / f"{sha256}.tflite"


def put(store: Path, data: bytes) -> str:
    """Store a backbone, unless the store has it and it is whole; returns its SHA-256.

    Raises:
        OSError: the folder cannot be written.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    file = path(store, sha256)
    if stored := _verified(file, sha256):
        stored.close()
        return sha256
    atomic_file.make_folder(file.parent)
    replace(file, data)
    return sha256


@contextmanager
def opened(store: Path, sha256: str) -> Iterator[BufferedReader]:
    """A backbone, verified, open at its start. Who reads it verifies it again.

    Raises:
        SetupError: it is missing or damaged, and does not ship.
    """
    own = path(store, sha256)
    file = _verified(own, sha256) or _packaged(sha256)
    if file is None:
        raise SetupError(
            f"the backbone {own} is missing or damaged; restore it from a backup, or train the "
            "version again"
        )
    with file:
        yield file


def read(store: Path, sha256: str) -> bytes:
    """The bytes of a backbone. Raises SetupError as `opened`."""
    with opened(store, sha256) as file:
        return file.read()


def packaged(sha256: str) -> bytes | None:
    """The bytes of a backbone that ships; None if it does not, or its file is damaged."""
    if (file := _packaged(sha256)) is None:
        return None
    with file:
        return file.read()


def size(store: Path, sha256: str) -> int:
    """Bytes of a backbone; 0 if it is missing."""
    with suppress(OSError):
        return path(store, sha256).stat().st_size
    with suppress(SetupError), opened(store, sha256) as file:
        return os.fstat(file.fileno()).st_size
    return 0


def _packaged(sha256: str) -> BufferedReader | None:
    whole = (_verified(file, sha256) for file in sorted(PACKAGED.glob("*.tflite")))
    return next(filter(None, whole), None)


def _verified(file: Path, sha256: str) -> BufferedReader | None:
    """A file with this hash, open at its start; None if it is missing, a link or damaged."""
    try:
        opened_file = os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except OSError:
        return None
    if hashlib.file_digest(opened_file, "sha256").hexdigest() != sha256:
        opened_file.close()
        return None
    opened_file.seek(0)
    return opened_file
