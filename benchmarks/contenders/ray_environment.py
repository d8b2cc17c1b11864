"""Ray Data's separate environment, so that it does not affect the versions of other packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.environment.paths import ROOT

FOLDER = ROOT / "benchmarks" / ".venv-ray"
PACKAGES = ("ray[data]", "numpy", "pillow", "ai-edge-litert")
LIMIT_S = 600.0


class NotInstalled(Exception):
    """The message is the reason, in one line."""


def python() -> Path:
    """The interpreter of the environment, which is created if it is missing.

    Raises:
        NotInstalled: the environment cannot be created.
    """
    found = FOLDER / "bin" / "python"
    if not _works(found):
        _run([sys.executable, "-m", "venv", "--clear", str(FOLDER)])
        _run([str(found), "-m", "pip", "--disable-pip-version-check", "-q", "install", *PACKAGES])
    return found


def version(python: Path) -> str:
    """Ray's version in the environment."""
    code = "from importlib import metadata; print(metadata.version('ray'))"
    return _run([str(python), "-c", code]).strip()


def _works(python: Path) -> bool:
    try:
        _run([str(python), "-c", "import ray.data, ai_edge_litert, PIL"])
    except NotInstalled:
        return False
    return True


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, check=True, timeout=LIMIT_S, capture_output=True, text=True, errors="replace"
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise NotInstalled(lines[-1][:200]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(str(error)[:200]) from error
    return done.stdout
