"""The lab's exceptions, and its commands: their output is displayed only if they fail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_TAIL_LINES = 15
_LIMIT_S = 900.0


class CannotRun(Exception):
    """This user or machine cannot start a container engine."""


class LabFails(Exception):
    """A step of the lab failed."""


def step(
    *command: str | Path, text: str | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Standard output of a command. Raises LabFails with the end of its output if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, input=text or "", capture_output=True, text=True, timeout=_LIMIT_S,
        env=os.environ | dict(env or {}),
    )  # fmt: skip
    if done.returncode:
        tail = (done.stdout + done.stderr).splitlines()[-_TAIL_LINES:]
        raise LabFails(f"{' '.join(words)} -> {done.returncode}\n" + "\n".join(tail))
    return done.stdout
