"""Processes of the worker's package that decode images for a page; the producer does not."""

from __future__ import annotations

import os
import subprocess
import sys

from shared import installation

#: What they need: a part of the extra `worker`.
PACKAGES = {"numpy": "numpy", "PIL": "pillow"}
#: The variables that they get: no password of the broker, and nothing else.
_NEEDED = (
    "PATH", "HOME", "KERAS_HOME", "MPLCONFIGDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME",
)  # fmt: skip


def start(module: str, **more: str) -> subprocess.Popen[bytes]:
    """Run a module with pipes for its input and output; its errors are discarded. `more` are
    further variables for it."""
    kept = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    # -P: not a module of that name in the current folder.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=kept | {"PYTHONPATH": installation.python_path()} | more,
    )
