"""The features of images that were computed before, by the SHA-256 of their files.

FOLDER/KEY/NAME.pack: n digests (32 bytes each), n checksums, n rows of one length; never changed.
KEY stands for everything but the file that the rows depend on. What is damaged or missing is
computed again, and above a bound the packs that were not used for the longest time are deleted.
"""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from shared import atomic_file
from shared.ledger.request_store import replace
from shared.messages.model_card import ImportedNetwork, Preprocessing
from worker.datasets.examples import DIGEST_BYTES
from worker.decoding.decode import decode

#: The bound on all packs. An image takes 9 kB with EfficientNet-Lite0, and 12 kB with
#: EfficientNet-Lite2; its mirror image, where it is computed, 9 kB.
MAX_BYTES = 1 << 30
CHECK_BYTES = 4
SUFFIX = ".pack"


class FeatureCache:
    """The rows of one key. Several processes may use the folder at once."""

    def __init__(self, folder: Path, key: str, row_bytes: int, max_bytes: int = MAX_BYTES) -> None:
        """Read which rows exist."""
        self._root, self.key, self._folder = folder, key, folder / key
        self._row_bytes, self._max_bytes = row_bytes, max_bytes
        self._places: dict[bytes, tuple[_Pack, int]] = {}
        self._used: set[Path] = set()
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            self._index(path)

    def with_key(self, key: str, row_bytes: int) -> FeatureCache:
        """Other rows in the same folder, within the same bound."""
        return FeatureCache(self._root, key, row_bytes, self._max_bytes)

    def get(self, digest: bytes) -> bytes | None:
        """The row of a file; None if it is not known."""
        pack, number = self._places.get(digest, (None, 0))
        if pack is None or (row := pack.row(number)) is None:
            return None
        self._used.add(pack.path)
        return row

    def add(self, rows: Mapping[bytes, bytes]) -> None:
        """Store rows by digest, and delete what exceeds the bound.

        Raises:
            OSError: the disk is full, or the folder is not writable.
        """
        if not rows:
            return
        data = _encode(rows)
        atomic_file.make_folder(self._folder)
        path = self._folder / f"{hashlib.sha256(data).hexdigest()[:24]}{SUFFIX}"
        replace(path, data)
        self._used.add(path)
        self._index(path)

    def mark_used(self) -> None:
        """Mark the packs that were used, so that they are deleted last."""
        for path in self._used:
            with suppress(OSError):
                os.utime(path)

    def trim(self) -> None:
        """Delete packs of all keys above the bound, those first that were not used for longest."""
        files = []
        for path in self._root.glob(f"*/*{SUFFIX}"):
            with suppress(FileNotFoundError):
                files.append((path.stat(), path))
        total = sum(stat.st_size for stat, _ in files)
        for stat, path in sorted(files, key=lambda entry: (entry[0].st_mtime, entry[1])):
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size

    def _index(self, path: Path) -> None:
        with suppress(OSError, ValueError):  # deleted meanwhile, or empty
            pack = _Pack(path, self._row_bytes)
            self._places |= {digest: (pack, number) for number, digest in enumerate(pack.digests())}


class _Pack:
    """One file, mapped to memory."""

    def __init__(self, path: Path, row_bytes: int) -> None:
        self.path = path
        self._data = np.memmap(path, np.uint8, "r").view(np.ndarray)
        self._row_bytes = row_bytes
        self._count = len(self._data) // (DIGEST_BYTES + CHECK_BYTES + self._row_bytes)

    def digests(self) -> list[bytes]:
        every = self._data[: self._count * DIGEST_BYTES].reshape(-1, DIGEST_BYTES)
        return [digest.tobytes() for digest in every]

    def row(self, number: int) -> bytes | None:
        """The row; None if it is damaged."""
        checks = self._count * DIGEST_BYTES
        check = self._data[checks + number * CHECK_BYTES :][:CHECK_BYTES].tobytes()
        rows = checks + self._count * CHECK_BYTES
        data = self._data[rows + number * self._row_bytes :][: self._row_bytes].tobytes()
        return data if _check(data) == check else None


def _encode(rows: Mapping[bytes, bytes]) -> bytes:
    return b"".join([*rows, *map(_check, rows.values()), *rows.values()])


def _check(row: bytes) -> bytes:
    return zlib.crc32(row).to_bytes(CHECK_BYTES, "little")


def cache_key(
    sha256: str,
    spec: Preprocessing,
    imported: ImportedNetwork | None = None,
    *,
    mirrored: bool = False,
) -> str:
    """Stands for everything but an image's file that its features, or its mirror's, depend on:
    `sha256` is that of the backbone's file, `imported` its values."""
    parts = [bytes.fromhex(sha256), msgspec.json.encode(spec), _decoder_sample(spec)]
    if imported is not None:
        parts.append(msgspec.json.encode(imported))
    parts.append(b"mirrored" * mirrored)
    return hashlib.sha256(b"".join(parts)).hexdigest()[:24]


@cache
def _decoder_sample(spec: Preprocessing) -> bytes:
    """The pixels of noise as this version decodes it: in whole, and in parts."""
    noise = np.random.default_rng(0).integers(0, 256, (2048, 2048, 3), np.uint8)
    pixels = b""
    for kind, image in (("JPEG", noise[:900, :1200]), ("BMP", noise)):
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, kind)
        pixels += decode(encoded.getvalue(), spec).tobytes()
    return pixels
