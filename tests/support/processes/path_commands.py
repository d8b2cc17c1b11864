"""Commands of a test that precede this machine's on the PATH."""

from __future__ import annotations

import os
from pathlib import Path


def command(folder: Path, name: str, script: str) -> None:
    """Create a program `name` in `folder` that runs this shell script."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def first(folder: Path) -> str:
    """A PATH that starts with `folder`."""
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
