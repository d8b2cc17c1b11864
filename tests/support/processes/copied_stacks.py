"""Stacks whose supervisors, workers and trainers are copies; see copied_processes.py.

A stack that a test's own process starts has a supervisor that is a copy of a process with the
modules of workers. The workers and trainers are copies of their supervisor, and its children.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from producer.machine import launch
from tests.support.processes import copied_processes
from tests.support.processes.copied_processes import CopiedProcess


def copy_supervisors() -> None:
    """From now on this process starts copies where copied_processes.py allows them."""
    mock.patch.object(
        launch, "subprocess", SimpleNamespace(Popen=_started, DEVNULL=subprocess.DEVNULL)
    ).start()


def _started(
    argv: Sequence[str], env: dict[str, str], cwd: str, stdout: Any, stderr: Any, **others: Any
) -> subprocess.Popen[bytes] | CopiedProcess:
    if not copied_processes.suits(copied_processes.SUPERVISOR, env):
        return subprocess.Popen(argv, env=env, cwd=cwd, stdout=stdout, stderr=stderr, **others)
    streams = stdout.fileno(), stderr.fileno()
    return copied_processes.start(copied_processes.SUPERVISOR, argv[3:], Path(cwd), env, *streams)
