"""The embedded server listens only on a socket in a private folder."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from producer.machine import stack
from shared.broker.runtime_paths import socket_path
from tests.support.processes import local_stack
from tests.support.processes.local_stack import Place

OTHER_USER = 65534
_LISTENS = "0A"
_CONNECT = """
import os, socket, sys
path, user = sys.argv[1], int(sys.argv[2])
if user:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
socket.socket(socket.AF_UNIX).connect(path)
"""


@pytest.fixture
def place() -> Iterator[Place]:
    yield from local_stack.new(workers=False)


def descriptors(pid: int) -> set[str]:
    """What the open descriptors of a process lead to, without those that it closes meanwhile."""
    found = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(os.readlink(fd))
    return found


def listening(pid: int) -> list[str]:
    """The TCP addresses that a process listens on."""
    own = descriptors(pid)
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and f"socket:[{fields[9]}]" in own:
                found.append(fields[1])
    return found


def test_it_listens_on_no_port(place: Place) -> None:
    stack.ensure(place.settings)
    pid = place.the("server")
    assert any(target.startswith("socket:") for target in descriptors(pid))
    assert listening(pid) == []


def test_no_other_user_can_reach_its_socket(place: Place) -> None:
    stack.ensure(place.settings)
    path = socket_path(place.settings)
    assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0
    assert stat.S_IMODE(path.parent.lstat().st_mode) == 0o700
    if os.getuid():
        pytest.skip("needs root to become another user")
    assert connection_error(path, 0) == ""
    assert connection_error(path, OTHER_USER).splitlines()[-1].startswith("PermissionError")


def connection_error(path: Path, user: int) -> str:
    """Connect as this user; return the traceback, empty if it works."""
    program = [sys.executable, "-Sc", _CONNECT, str(path), str(user)]
    return subprocess.run(program, capture_output=True, check=False, text=True).stderr


def test_a_folder_that_others_can_enter_is_made_private(place: Place) -> None:
    place.folder.chmod(0o777)
    stack.ensure(place.settings)
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
