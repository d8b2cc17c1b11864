"""Connections to web servers, to addresses of the network that were checked.

A name is resolved once for each connection, and the connection leads to an address of that answer:
a name that leads elsewhere a moment later changes nothing. Each redirect has a connection of its
own. Sockets are known before they connect, which httpcore's own are not, so that every wait can be
ended: a server may accept none of 32 connections.
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
    """A server has an address of the network that may not be reached. The text says why."""


class NoSuchHost(Exception):
    """A host has no address."""


class Endless(Exception):
    """A server sends more than any answer has."""


class Untrusted(Exception):
    """The certificate of a server is not trusted. The text says why."""


class CheckedNetwork(httpcore.NetworkBackend):
    """Opens connections. With `local` also to this machine and its link; with `only_here` to this
    machine alone."""

    def __init__(self, local: bool, only_here: bool = False) -> None:
        self._local, self._only_here = local, only_here
        self._open: set[socket.socket] = set()
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
        """Raises Refused, NoSuchHost, Untrusted, and what httpcore's own raises."""
        error: Exception = httpcore.ConnectError("no address")
        for family, place in self._places(host, port):
            try:
                return self._connected(family, place, timeout)
            except TimeoutError as late:
                error = httpcore.ConnectTimeout(str(late))
            except OSError as failed:
                error = httpcore.ConnectError(failed.strerror or str(failed))
        raise error

    def close(self) -> None:
        """End every wait, from now on."""
        with self._lock:
            self._closed = True
            for opened in self._open:
                with suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)

    def know(self, opened: socket.socket, instead: socket.socket | None = None) -> None:
        """Close this socket, too. Raises OSError: all were closed."""
        with self._lock:
            if self._closed:
                raise OSError("closed")
            self._open.discard(instead or opened)
            self._open.add(opened)

    def forget(self, opened: socket.socket) -> None:
        with self._lock:
            self._open.discard(opened)

    def _places(self, host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise httpcore.ConnectError("names cannot be resolved now") from None
            raise NoSuchHost(host) from None
        except UnicodeError:
            raise NoSuchHost(host) from None
        for *_, place in found:  # one of them is enough: the list may be that of an attacker
            self._check(ipaddress.ip_address(str(place[0]).partition("%")[0]))
        return [(family, place) for family, *_, place in found]

    def _check(self, address: IPAddress) -> None:
        """Raises Refused."""
        if any(map(is_metadata, forms(address))):
            raise Refused("its host gives away credentials, and is never read")
        if any(map(is_local, forms(address))) and not self._local:
            raise Refused(
                "its host has a local address, which is read only if HANGTAG_LOCAL_ADDRESSES=1 is "
                "set"
            )
        if self._only_here and not any(each.is_loopback for each in forms(address)):
            raise Refused("without encryption only this machine is read, others by https://")

    def _connected(
        self, family: socket.AddressFamily, place: Any, timeout: float | None
    ) -> httpcore.NetworkStream:
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.know(opened)
            opened.settimeout(timeout)
            opened.connect(place)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.forget(opened)
            opened.close()
            raise
        return _Stream(opened, self)


class _Stream(httpcore.NetworkStream):
    """A connection, whose socket the network knows. TLS is another layer of the same connection:
    the socket below it stays open until that is closed."""

    def __init__(self, opened: socket.socket, network: CheckedNetwork) -> None:
        self._socket, self._known, self._network = opened, opened, network
        self._waited_s, self._received = 0.0, 0  #: since something was sent

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        started = time.monotonic()
        try:
            self._socket.settimeout(timeout)
            data = self._socket.recv(max_bytes)
            self._check_pace(len(data), time.monotonic() - started, timeout)
            return data
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from None
        except OSError as error:
            raise httpcore.ReadError(str(error)) from None

    def _check_pace(self, received: int, waited_s: float, timeout: float | None) -> None:
        """Raises TimeoutError for a server that sends too little, and never ends; Endless for one
        that sends too much."""
        self._received += received
        if self._received > ANSWER_MAX_BYTES:
            raise Endless
        self._waited_s += waited_s
        is_late = timeout is not None and self._waited_s > timeout
        if is_late and self._received < SLOWEST_BYTES_S * self._waited_s:
            raise TimeoutError("slow")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._waited_s, self._received = 0.0, 0
        try:
            self._socket.settimeout(timeout)
            self._socket.sendall(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from None
        except OSError as error:
            raise httpcore.WriteError(str(error)) from None

    def close(self) -> None:
        self._network.forget(self._known)
        self._known.close()
        self._socket.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            # A duplicate stays reachable for `close` of the network: TLS takes the socket itself.
            self._known = self._socket.dup()
            self._network.know(self._known, instead=self._socket)
            self._socket.settimeout(timeout)
            self._socket = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except TimeoutError as error:
            self.close()
            raise httpcore.ConnectTimeout(str(error)) from None
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise Untrusted(error.verify_message) from None
        except OSError as error:
            self.close()
            raise httpcore.ConnectError(error.strerror or str(error)) from None
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return _has_ended(self._socket)
        return self._socket if info == "socket" else None


def _has_ended(opened: socket.socket) -> bool:
    """Whether an idle connection has something to read: its end."""
    import select

    poll = select.poll()
    try:
        poll.register(opened, select.POLLIN)
    except (OSError, ValueError):
        return True
    return bool(poll.poll(0))


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


def is_metadata(address: IPAddress) -> bool:
    return address in _METADATA
