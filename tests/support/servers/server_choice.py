"""The servers that a test runs on.

Every test that requests `server_binary`, or a fixture that uses it, runs on one server unless
`--servers` selects others. The server alternates with the number of commits; half of the fault
suites run on each server at each commit.
"""

from __future__ import annotations

import subprocess
import zlib
from functools import cache
from pathlib import Path

import pytest

from tests.support.servers.redis_server import server_binaries

ROOT = Path(__file__).parents[3]
ONE, BOTH = "one", "both"
CHOICES = (ONE, BOTH, "valkey", "redis")


def of(metafunc: pytest.Metafunc) -> list[Path]:
    """The servers for this test function; none if this machine has no suitable one."""
    choice = str(metafunc.config.getoption("--servers"))
    binaries = server_binaries()
    if choice == BOTH:
        return binaries
    if choice != ONE:
        return named(choice, binaries)
    path = metafunc.definition.path.relative_to(ROOT)
    turn = commits() + (zlib.crc32(path.name.encode()) if path.parts[1] == "faults" else 0)
    return binaries[turn % len(binaries) :][:1] if binaries else []


def named(name: str, binaries: list[Path]) -> list[Path]:
    """The binaries of this server: `valkey` or `redis`."""
    return [binary for binary in binaries if binary.name.startswith(name)]


@cache
def commits() -> int:
    """The number of commits; 0 outside a clone."""
    command = ["git", "-C", str(ROOT), "rev-list", "--count", "HEAD"]
    try:
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    except (OSError, subprocess.CalledProcessError):
        return 0
