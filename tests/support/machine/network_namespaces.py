"""Networks that can be cut: the server in one namespace, each site in another with its own cable.

The namespaces have no names: the system removes each with the last process in it, however a test
ends. Needs root. The test itself stays outside and reaches the server by its unix socket.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import redis

from tests.support.servers.redis_server import RedisServer

NEEDS_ROOT = "needs root, to make network namespaces"
NO_NAMESPACES = "no network namespaces can be made here"
#: The server's address in its own namespace, where it cannot conflict.
ADDRESS, PORT = "10.99.0.1", 6379
_CLONE_NEWNET = 0x40000000
_SELF = "/proc/thread-self/ns/net"
_REACH_S = 0.7
_SETTLE_S = 0.3
_libc = ctypes.CDLL(None, use_errno=True)


def why_not() -> str:
    """The reason why namespaces cannot be created; empty if they can."""
    if os.getuid() != 0:
        return NEEDS_ROOT
    try:
        with Network():
            return ""
    except (OSError, subprocess.CalledProcessError):
        return NO_NAMESPACES


class Namespace:
    """One network namespace. It exists as long as this object, or a process inside it."""

    def __init__(self) -> None:
        before = os.open(_SELF, os.O_RDONLY)
        try:
            _check(_libc.unshare(_CLONE_NEWNET))
            self._fd = os.open(_SELF, os.O_RDONLY)
        finally:
            _enter(before)
            os.close(before)

    @property
    def path(self) -> str:
        """A path that `ip` accepts as the namespace's name."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Enter the namespace: processes and sockets of the block are inside."""
        before = os.open(_SELF, os.O_RDONLY)
        try:
            _enter(self._fd)
            yield
        finally:
            _enter(before)
            os.close(before)

    def ip(self, *arguments: str) -> None:
        """Run `ip ...` inside."""
        with self.entered():
            subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def received(self, device: str) -> str:
        """The number of packets received by a device."""
        with self.entered():
            lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
        return next(line.split()[2] for line in lines if line.split()[0] == f"{device}:")

    def close(self) -> None:
        """Release the namespace."""
        os.close(self._fd)


class Site(Namespace):
    """A namespace with one cable to the server, and no other connection."""

    def __init__(self, hub: Namespace, number: int) -> None:
        super().__init__()
        self._hub, self._cable = hub, f"site{number}"
        near, far = f"10.99.{number}.1", f"10.99.{number}.2"
        peer = ("peer", "name", "cable", "netns", self.path)
        mac = f"02:00:00:00:00:{number:02}"
        hub.ip("link", "add", self._cable, "address", mac, "type", "veth", *peer)
        hub.ip("addr", "add", f"{near}/30", "dev", self._cable)
        self.ip("addr", "add", f"{far}/30", "dev", "cable")
        self.ip("link", "set", "lo", "up")
        self.ip("link", "set", "cable", "up")
        hub.ip("link", "set", self._cable, "up")
        self.ip("route", "add", "default", "via", near)
        # Packets into a cut cable must vanish, as they do beyond a router. Without this entry the
        # system would soon report that the host is unreachable.
        self.ip("neigh", "replace", near, "lladdr", mac, "dev", "cable", "nud", "permanent")

    def cut(self) -> None:
        """Unplug the cable, and check that no packet passes."""
        self.pull_out()
        self.check_cut()

    def pull_out(self) -> None:
        """Unplug the cable."""
        self._hub.ip("link", "set", self._cable, "down")

    def check_cut(self) -> None:
        """Check that no packet passes."""
        assert not self.reaches_server(), "the server is reached without a cable"
        before = self._passed()
        time.sleep(_SETTLE_S)
        assert self._passed() == before, "packets pass without a cable"

    def mend(self) -> None:
        """Plug the cable in again."""
        self._hub.ip("link", "set", self._cable, "up")

    def reaches_server(self) -> bool:
        """Whether a new connection succeeds."""
        with self.entered(), contextlib.suppress(OSError):
            socket.create_connection((ADDRESS, PORT), _REACH_S).close()
            return True
        return False

    def _passed(self) -> tuple[str, ...]:
        """The numbers of packets received from the cable, on the server's side and on this one."""
        return self._hub.received(self._cable), self.received("cable")


class Network:
    """The server's namespace and the sites around it."""

    def __init__(self) -> None:
        self.hub = Namespace()
        self._sites: list[Site] = []
        self.hub.ip("link", "set", "lo", "up")
        self.hub.ip("addr", "add", f"{ADDRESS}/32", "dev", "lo")

    def __enter__(self) -> Network:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for space in (*self._sites, self.hub):
            space.close()

    def site(self) -> Site:
        """A new site, which reaches the server and no other site."""
        site = Site(self.hub, len(self._sites) + 1)
        self._sites.append(site)
        return site


class FarServer(RedisServer):
    """A server with an address in a network, and a password."""

    def __init__(self, binary: Path, network: Network) -> None:
        self.password = secrets.token_hex(8)
        listen = ("--bind", ADDRESS, "--port", str(PORT), "--requirepass", self.password)
        super().__init__(binary, *listen)
        self._network = network
        self.url = f"redis://:{self.password}@{ADDRESS}:{PORT}/0"

    @property
    def client(self) -> redis.Redis:
        if self._client is None:
            url = f"unix://:{self.password}@{self.socket}"
            self._client = redis.Redis.from_url(url, retry=None)
        return self._client

    def start(self, snapshot: bytes | None = None, *arguments: str, wait: bool = True) -> None:
        with self._network.hub.entered():
            super().start(snapshot, *arguments, wait=wait)


def _enter(fd: int) -> None:
    _check(_libc.setns(fd, _CLONE_NEWNET))


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
