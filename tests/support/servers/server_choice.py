"""Which servers a test runs on.

Every test that asks for `server_binary`, or for what is made of it, runs on one server unless
`--servers` says otherwise. Which one alternates with the number of commits; of the fault suites
half run on either at each commit. Markers: `both_servers`, and `one_server(name, reason)`.
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
    """The servers for this test function, none where this machine has none that will do."""
    choice = str(metafunc.config.getoption("--servers"))
    binaries = server_binaries()
    if needed := metafunc.definition.get_closest_marker("one_server"):
        name, reason = needed.args
        assert reason, "a reason stands beside each test that runs on one server alone"
        return named(name, binaries)
    if choice == BOTH or metafunc.definition.get_closest_marker("both_servers"):
        return binaries
    if choice != ONE:
        return named(choice, binaries)
    path = metafunc.definition.path.relative_to(ROOT)
    turn = commits() + (zlib.crc32(path.name.encode()) if path.parts[1] == "faults" else 0)
    return binaries[turn % len(binaries) :][:1] if binaries else []


def named(name: str, binaries: list[Path]) -> list[Path]:
    """Those of this name: `valkey`, `redis`."""
    return [binary for binary in binaries if binary.name.startswith(name)]


@cache
def commits() -> int:
    """How many commits there are, 0 outside a clone."""
    command = ["git", "-C", str(ROOT), "rev-list", "--count", "HEAD"]
    try:
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    except (OSError, subprocess.CalledProcessError):
        return 0
