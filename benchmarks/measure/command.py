"""Runs a contender's command and measures its time."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from benchmarks.environment.paths import DATA

#: Far above the time of any contender, so that a hanging one does not block the benchmark.
LIMIT_S = 600.0


class Failed(Exception):
    """A command failed; the message is the end of its output."""


class Done(NamedTuple):
    """A command that succeeded. Times in seconds."""

    whole_s: float  #: from before its start until after its end
    report: dict[str, Any]  #: the last line of its output, which is JSON


def classify_command(folder: str, output: Path, model: str, *options: str) -> list[str]:
    """`hangtag classify` in DATA."""
    program = [sys.executable, "-m", "producer.cli", "classify", folder]
    return [*program, "-o", output.name, "--model", model, *options, "--quiet", "--json"]


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path = DATA) -> Done:
    """Run a command that ends by printing a line of JSON.

    Raises:
        Failed: it ended with an error or without output.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder, env=environment
        )  # fmt: skip
        status, _ = wait(process, LIMIT_S)
        whole_s = time.monotonic() - started
        text = _text(out)
        if status != 0 or not text.strip():
            raise Failed(f"{' '.join(command)}: exit code {status}\n{_text(err)[-2000:]}")
    return Done(whole_s, json.loads(text.splitlines()[-1]))


def wait(process: subprocess.Popen[bytes], limit_s: float) -> tuple[int, resource.struct_rusage]:
    """The exit code of a process, and the resource usage of it and the children it waited for."""
    limit = threading.Timer(limit_s, process.kill)
    limit.start()
    try:
        # wait4 returns the processor time; Popen.wait does not.
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        limit.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
