"""`python -m tests.support.processes.host_process NAME MADE_FOLDER -- SHARED...`: a simulated host
with its own files, until it is killed.

It has its own namespaces of mounts and of the hostname, in the network that it is started in. The
system is read-only; folders that programs write to are private and empty, except for the SHARED
ones, which the test can access.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

#: Everything else is read only.
OWN = ("/tmp", "/var/tmp", "/run", "/dev/shm")
_NEWNS, _NEWUTS = 0x00020000, 0x04000000
_READ_ONLY, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 32, 4096, 16384, 1 << 18
_libc = ctypes.CDLL(None, use_errno=True)


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    arguments = (source.encode(), target.encode(), kind.encode(), flags, None)
    if _libc.mount(*arguments):
        raise OSError(ctypes.get_errno(), f"mount {target}: {os.strerror(ctypes.get_errno())}")


def _make(name: str, home: str, shared_folders: list[str]) -> None:
    if _libc.unshare(_NEWNS | _NEWUTS):
        raise OSError(ctypes.get_errno(), "unshare")
    socket.sethostname(name)
    _mount("none", "/", "", _REC | _PRIVATE)
    opened = {path: os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in shared_folders}
    for folder in OWN:
        if Path(folder).is_dir():
            _mount("hangtag", folder, "tmpfs", 0)
    for path, fd in opened.items():
        Path(path).mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{fd}", path, "", _BIND)
        os.close(fd)
    _mount("none", "/", "", _REMOUNT | _BIND | _READ_ONLY)
    Path(home).mkdir(parents=True)


def main() -> None:
    """Print `ready` on standard output, then wait for a signal."""
    name, home, _, *shared_folders = sys.argv[1:]
    _make(name, home, shared_folders)
    print("ready", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
