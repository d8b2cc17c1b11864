"""Starts, measures and stops the benchmark's own stack."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import redis

from benchmarks.environment.paths import environment
from benchmarks.measure.process_watch import is_tagged, pids
from shared.broker.runtime_paths import socket_path
from shared.settings import Settings

_HANGTAG = [sys.executable, "-m", "producer.cli"]
LIMIT_S = 60.0


def up(environment: Mapping[str, str], workers: int) -> None:
    """Start the stack with this number of worker children."""
    _hangtag(environment, "up", "--workers", str(workers))


def down(environment: Mapping[str, str]) -> None:
    """Stop the stack, if it runs."""
    _hangtag(environment, "down", "--force")


@contextmanager
def own() -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder for the socket of a stack, and its environment. The stack ends with the block, and
    after an error or Ctrl-C all other processes with the run's tag."""
    runtime = Path(tempfile.mkdtemp(prefix="htb-", dir="/tmp"))  # a socket's path: 107 bytes
    env = environment(runtime)
    try:
        yield runtime, env
    finally:
        try:
            _end(env, str(runtime))
        finally:
            shutil.rmtree(runtime, ignore_errors=True)


def _end(environment: Mapping[str, str], tag: str) -> None:
    try:
        down(environment)
    finally:
        for pid in pids():
            if pid != os.getpid() and is_tagged(pid, tag):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def server_version(runtime: Path) -> str:
    """The server's name and version."""
    path = socket_path(Settings.from_env(environment(runtime)))
    with redis.Redis(unix_socket_path=str(path)) as client:
        info = client.info("server")
    name = str(info.get("server_name", "redis"))
    return f"{name} {info.get(f'{name}_version', info['redis_version'])}"


def _hangtag(environment: Mapping[str, str], *arguments: str) -> None:
    subprocess.run(
        [*_HANGTAG, *arguments],
        env=environment,
        check=True,
        timeout=LIMIT_S,
        stdout=subprocess.DEVNULL,
    )
