"""The lock on the draft of a user's file: one command at a time writes it.

A draft without a lock is what a killed process has left.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import IO

from shared import atomic_file, file_lock, regular_file
from shared.errors import UsageError


def draft_of(output: Path) -> Path:
    """Where a file is written before it is placed."""
    return Path(f"{output}{atomic_file.DRAFT_SUFFIX}")


def parts_of(draft: Path) -> Path:
    """The folder beside a draft, for what a form cannot write at once."""
    return Path(f"{draft}.parts")


def check_unused(output: Path) -> None:
    """Check that no living process writes the draft. Raises UsageError."""
    with suppress(OSError), open(draft_of(output), "rb", opener=regular_file.open_fd) as file:
        if not file_lock.try_acquire(file.fileno()):
            raise UsageError(
                f"another command is writing {output}; run the same command again when it has ended"
            )


def take(draft: IO[bytes]) -> None:
    """Hold the lock of a new draft until it is closed."""
    with suppress(OSError):  # a file system without locks
        file_lock.try_acquire(draft.fileno())
