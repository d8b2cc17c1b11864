"""Installs the engine from Debian's packages."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.compose.engine import log
from tests.compose.lab.failure import step

NAMES = (
    "docker.io", "docker-cli", "docker-buildx", "docker-compose", "iptables", "debootstrap",
    "iproute2", "ca-certificates",
)  # fmt: skip
_POLICY = Path("/usr/sbin/policy-rc.d")
#: Prevents packages from starting a service; 101 means "forbidden".
NO_SERVICES = "#!/bin/sh\nexit 101\n"


def install() -> None:
    """Install missing packages. Raises LabFails if apt fails or would remove another package."""
    missing = [name for name in NAMES if not _installed(name)]
    if not missing:
        return
    started = time.monotonic()
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with _no_services():
        step("apt-get", "-qq", "update", env=quiet)
        options = ("-qq", "-y", "--no-install-recommends", "--no-remove")
        step("apt-get", "install", *options, *missing, env=quiet)
    log(f"installed {', '.join(missing)}", started)


def _installed(name: str) -> bool:
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", name]
    return subprocess.run(query, capture_output=True, text=True).stdout == "installed"


@contextmanager
def _no_services() -> Iterator[None]:
    """Prevent packages from starting a service: the lab does not use Debian's engine service."""
    if _POLICY.exists():  # the machine's own policy applies
        yield
        return
    _POLICY.write_text(NO_SERVICES, encoding="utf-8")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
