"""Commands of a test's own, which are found before this machine's."""

from __future__ import annotations

import os
from pathlib import Path


def command(folder: Path, name: str, script: str) -> None:
    """A program `name` in `folder` that does this, in the words of a shell."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def first(folder: Path) -> str:
    """The PATH on which the programs in `folder` come before all others."""
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
