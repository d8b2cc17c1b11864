"""Network namespaces for processes, and the links between them and the server.

The server listens on an extra address of this machine. Each pair is a namespace with one link to
it; taking the link down cuts off exactly the processes that were started inside. Needs root and
iproute2.
"""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def possible() -> bool:
    """Whether this process may create network namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"htprobe{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        return False
    _ip("netns", "del", name)
    return True


class Cables:
    """An address for the server, and the pairs that reach it."""

    def __init__(self) -> None:
        found = _ip("-o", "addr")
        while True:
            # Names and addresses are not part of what a seed repeats.
            first, second = random.SystemRandom().randrange(64, 128), random.randrange(256)
            self._net = f"10.{first}.{second}"
            if f" {self._net}." not in found:
                break
        self.address = f"{self._net}.1"
        self._pairs: list[Pair] = []

    def __enter__(self) -> Cables:
        _ip("addr", "add", f"{self.address}/32", "dev", "lo")
        return self

    def __exit__(self, *_: object) -> None:
        for pair in self._pairs:
            pair.remove()
        _ip("addr", "del", f"{self.address}/32", "dev", "lo")

    def pair(self) -> Pair:
        """Create a new pair with its link up."""
        number = len(self._pairs) + 1
        pair = Pair(f"ht{self._net.replace('.', '')[2:]}x{number}", self._net, 4 * number)
        self._pairs.append(pair)
        pair.create()
        return pair


class Pair:
    """A namespace and its link."""

    def __init__(self, name: str, net: str, first: int) -> None:
        self.name = name
        self._near, self._far = f"{name}a", f"{name}b"
        self._here, self._there = f"{net}.{first + 1}", f"{net}.{first + 2}"

    def create(self) -> None:
        """Create the namespace with its link up."""
        _ip("netns", "add", self.name)
        _ip("link", "add", self._near, "type", "veth", "peer", self._far, "netns", self.name)
        _ip("addr", "add", f"{self._here}/30", "dev", self._near)
        _ip("link", "set", self._near, "up")
        inside = ("-n", self.name)
        _ip(*inside, "addr", "add", f"{self._there}/30", "dev", self._far)
        for device in ("lo", self._far):
            _ip(*inside, "link", "set", device, "up")
        _ip(*inside, "route", "add", "default", "via", self._here)

    def down(self) -> None:
        """Take the link down: packets are lost, and no connection gets an error."""
        _ip("link", "set", self._near, "down")

    def up(self) -> None:
        _ip("link", "set", self._near, "up")

    def remove(self) -> None:
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", self._near)
        with suppress(subprocess.CalledProcessError):
            _ip("netns", "del", self.name)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Processes that this thread starts in the `with` block are in the namespace."""
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
            yield
        finally:
            _enter(back)
            os.close(there)
            os.close(back)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
