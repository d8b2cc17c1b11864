"""Has pytest-xdist start its test processes as copies of one that has collected the tests."""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import execnet
import pytest

from tests.support.nodes import source
from tests.support.servers.redis_server import TEMP_DIR

_CLIENT = Path(__file__).with_name("client.py")


def start_source(config: pytest.Config, specs: Sequence[execnet.XSpec]) -> None:
    """Raises pytest.UsageError if it cannot collect the tests."""
    folder = tempfile.mkdtemp(prefix="ht-", dir=TEMP_DIR)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = os.path.join(folder, "source")
    channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(len(specs))
        fds = theirs.fileno(), listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", __package__, *map(str, fds), *config.invocation_params.args],
            pass_fds=fds, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def end() -> None:
        channel.close()
        process.wait()

    config.add_cleanup(end)
    if channel.recv(16) != source.COLLECTED:
        raise pytest.UsageError("the tests could not be collected")
    for spec in specs:
        spec.python = shlex.join([sys.executable, "-I", "-S", str(_CLIENT), path])
