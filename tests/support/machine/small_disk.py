"""A small disk for tests: a tmpfs that can be filled, grown, and made read-only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_BLOCK_BYTES = 512


class Disk:
    """A tmpfs that is mounted at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / ".filler"

    def fill(self, left_bytes: int) -> None:
        """Fill the disk, except for this number of bytes."""
        with self._filler.open("wb", buffering=0) as filler:
            size = 0
            try:
                while written := filler.write(bytes(_BLOCK_BYTES)):
                    size += written
            except OSError:
                filler.truncate(size - left_bytes)

    def free(self) -> None:
        """Free the filled space."""
        self._filler.unlink()

    def resize(self, size: str) -> None:
        """Set the size, as a mount option."""
        self._remount(f"size={size}")

    def read_only(self) -> None:
        """Remount read-only. Fails while a process has a file open for writing."""
        self._remount("ro")

    def writable(self) -> None:
        """Remount writable."""
        self._remount("rw")

    def _remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.folder)], check=True)


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Disk]:
    """A disk of this size at `folder`; skips the test if it cannot be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
