"""Connections to web servers, to addresses of the network that were checked.

A name is resolved once for each connection, and the connection leads to an address of that answer:
a name that leads elsewhere a moment later changes nothing. Each redirect has a connection of its
own.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import httpcore

from shared.messages.batch import MAX_FILE_BYTES

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
#: Services of a cloud's machines that give away credentials, beside 169.254.169.254: of AWS by
#: IPv6, of Alibaba, of Oracle, of Azure. None of them has pictures.
_METADATA = {
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23",
        "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16",
    )
}  # fmt: skip
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
#: A server that sends less for as long as a wait may last is as good as silent.
SLOWEST_BYTES_S = 1 << 10
#: An answer with the largest image, in small chunks. One may have headers, chunks of almost nothing
#: or preliminary answers without end, which no limit of an image's bytes counts.
ANSWER_MAX_BYTES = 2 * MAX_FILE_BYTES
_COMPATIBLE = ipaddress.ip_network("::/96")


class Refused(Exception):
    """A server has no address that may be reached, or no certificate that is trusted. The text says
    which."""


class Endless(Exception):
    """A server sends more than any answer has."""


class CheckedNetwork(httpcore.SyncBackend):
    """Opens connections. With `local` also to this machine and its link; with `only_here` to this
    machine alone."""

    def __init__(self, local: bool, only_here: bool = False) -> None:
        self._local, self._only_here = local, only_here
        self._open = WeakSet[socket.socket]()
        self._lock = threading.Lock()
        self._closed = False

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Raises Refused, and what httpcore's own raises."""
        error: Exception = httpcore.ConnectError("no address")
        for address in self._addresses(host, port):
            try:
                return _Stream(super().connect_tcp(address, port, timeout), self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error

    def close(self) -> None:
        """End every wait of an open connection, and open no further ones."""
        with self._lock:
            self._closed = True
            for opened in self._open:
                with suppress(OSError):
                    # Not that of TLS, which another thread reads.
                    socket.socket.shutdown(opened, socket.SHUT_RDWR)

    def add(self, opened: socket.socket) -> None:
        """Let `close` end the waits of this socket. Raises httpcore.ConnectError: it was called."""
        with self._lock:
            if self._closed:
                opened.close()
                raise httpcore.ConnectError("closed")
            self._open.add(opened)

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise httpcore.ConnectError("names cannot be resolved now") from None
            raise Refused("there is no such host") from None
        except UnicodeError:
            raise Refused("there is no such host") from None
        addresses = [str(place[0]) for *_, place in found]
        for address in addresses:  # one of them is enough: the list may be that of an attacker
            self._check(ipaddress.ip_address(address.partition("%")[0]))
        return addresses

    def _check(self, address: IPAddress) -> None:
        """Raises Refused."""
        if any(each in _METADATA for each in forms(address)):
            raise Refused("its host gives away credentials, and is never read")
        if any(map(is_local, forms(address))) and not self._local:
            raise Refused(
                "its host has a local address, which is read only if HANGTAG_LOCAL_ADDRESSES=1 is "
                "set"
            )
        if self._only_here and not any(each.is_loopback for each in forms(address)):
            raise Refused("without encryption only this machine is read, others by https://")


class _Stream(httpcore.NetworkStream):
    """A connection whose network can end its waits, and whose server must neither send too little
    nor too much."""

    def __init__(self, stream: httpcore.NetworkStream, network: CheckedNetwork) -> None:
        self._stream, self._network = stream, network
        self._waited_s, self._received = 0.0, 0  #: since something was sent
        network.add(stream.get_extra_info("socket"))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Raises httpcore.ReadTimeout for a server that sends too little, and never ends; Endless
        for one that sends too much."""
        started = time.monotonic()
        data = self._stream.read(max_bytes, timeout)
        self._received += len(data)
        if self._received > ANSWER_MAX_BYTES:
            raise Endless
        self._waited_s += time.monotonic() - started
        is_late = timeout is not None and self._waited_s > timeout
        if is_late and self._received < SLOWEST_BYTES_S * self._waited_s:
            raise httpcore.ReadTimeout("slow")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._waited_s, self._received = 0.0, 0
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Raises Refused."""
        try:
            secured = self._stream.start_tls(ssl_context, server_hostname, timeout)
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                why = error.__cause__.verify_message
                raise Refused(f"its certificate is not trusted ({why}; SSL_CERT_FILE)") from None
            raise
        return _Stream(secured, self._network)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def forms(address: IPAddress) -> list[IPAddress]:
    """An address, and the addresses of IPv4 that lie in it: a machine, or a gateway, may lead
    there."""
    found = [address]
    if isinstance(address, ipaddress.IPv6Address):
        low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.ipv4_mapped is not None:
            found.append(address.ipv4_mapped)
        if address.sixtofour is not None:
            found.append(address.sixtofour)
        if address.teredo is not None:
            found += address.teredo
        if address in _NAT64 or address in _LOCAL_NAT64 or address in _COMPATIBLE:
            found.append(low)
    return found


def is_local(address: IPAddress) -> bool:
    """Whether an address is of this machine or its link, or of no single machine."""
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or address in ipaddress.ip_network("0.0.0.0/8")
        or address == ipaddress.ip_address("255.255.255.255")
    )
