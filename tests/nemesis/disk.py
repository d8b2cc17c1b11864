"""A small disk for a job's output that can be filled and freed. Needs root."""

from __future__ import annotations

import errno
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

SIZE = "48m"
_BALLAST = "ballast"
_BLOCK = bytes(1 << 16)


def possible(folder: Path) -> bool:
    """Whether this process may mount a disk; mounts one on an empty folder to check."""
    if os.geteuid() != 0:
        return False
    try:
        with ExitStack() as stack:
            stack.enter_context(Disk(folder))
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


class Disk:
    """Mounted while the `with` block lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Disk:
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "hangtag", str(self.folder)]
        subprocess.run(command, check=True, capture_output=True)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True, capture_output=True)

    def fill(self) -> None:
        """Fill the disk to the last byte."""
        size = len(_BLOCK)
        with (self.folder / _BALLAST).open("wb", buffering=0) as file:
            while size:
                try:
                    file.write(_BLOCK[:size])
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2

    def free(self) -> None:
        """Free the space again."""
        (self.folder / _BALLAST).unlink(missing_ok=True)
