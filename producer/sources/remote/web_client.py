"""Requests to web servers: redirects, attempts and their pauses.

No error has an address: it may be signed.
"""

from __future__ import annotations

import logging
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import NamedTuple, TypeVar
from urllib.parse import urljoin

import httpcore

from producer.sources.remote.address import HTTP, HTTPS, Address, parsed_address
from producer.sources.remote.checked_network import CheckedNetwork, Endless, Refused
from producer.sources.remote.requests_ahead import THREADS, Closed

T = TypeVar("T")
REDIRECTS_MAX = 5
#: Of one request: connecting, sending, and between two pieces of a response.
TIMEOUT_S = 30.0
#: docs/remote-images.md
ATTEMPTS, ATTEMPTS_S = 10, 180.0
PAUSE_S, PAUSE_MAX_S = 0.1, 15.0
#: A server may ask for a longer pause than this; then its answer is final.
RETRY_AFTER_MAX_S = 60.0
#: The server is busy, or has a trouble that may pass.
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_REDIRECTS = {301, 302, 303, 307, 308}
#: The start of an answer that says why an address is refused.
_REASON_BYTES = 1 << 12
#: A header may claim any number. More digits than these stand for one that no image has.
_DIGITS, _NUMBER_MAX = 18, 10**18
_FAILURES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)


_requesting = threading.local()
#: httpcore logs the headers of answers at DEBUG, and a redirect's has a signed address. Requests of
#: others in this process are logged.
logging.getLogger("httpcore.http11").addFilter(lambda _: not getattr(_requesting, "now", False))


class Rejected(Exception):
    """A server refuses an address for good."""

    def __init__(self, status: int, reason: bytes = b"") -> None:
        """`reason` is the start of its answer."""
        super().__init__(f"status {status}")
        self.status, self.reason = status, reason

    @property
    def is_expired(self) -> bool:
        """Whether the server says that a signature has expired: S3, its likes, and others do."""
        return self.status in (400, 401, 403) and b"expired" in self.reason.lower()


class Failed(Exception):
    """A server does not answer as it should. The text says how."""

    def __init__(self, why: str, busy: Rejected | None = None) -> None:
        """`busy` is its last answer, if it asks for one more attempt each time."""
        super().__init__(why)
        self.busy = busy


class Response(NamedTuple):
    """An answer whose body has not been read yet."""

    status: int
    headers: dict[bytes, bytes]  #: names in lower case
    body: Iterator[bytes]

    def number(self, name: bytes) -> int | None:
        """The value of a header that is a number."""
        return number_in(self.headers.get(name, b""))


def number_in(value: bytes) -> int | None:
    """The number in a header, at most `_NUMBER_MAX`; None if it is none."""
    if not value.isdigit():
        return None
    return int(value) if len(value) <= _DIGITS else _NUMBER_MAX


class _Busy(Rejected):
    """A server asks for another attempt, after a pause that it may name."""

    def __init__(self, status: int, reason: bytes, pause_s: float | None) -> None:
        super().__init__(status, reason)
        self.pause_s = pause_s


class WebClient:
    """For several threads. With `local` also of servers of this machine and its link, with `plain`
    also of other machines without encryption, by which an address and its picture are visible to
    the network."""

    def __init__(
        self, local: bool = False, plain: bool = False, redirects: int = REDIRECTS_MAX
    ) -> None:
        self._redirects = redirects
        self._networks = {
            HTTPS: CheckedNetwork(local),
            HTTP: CheckedNetwork(local, only_here=not plain),
        }
        self._closed = threading.Event()
        context = ssl.create_default_context()
        self._pools = {
            scheme: httpcore.ConnectionPool(
                ssl_context=context,
                max_connections=THREADS,
                max_keepalive_connections=THREADS,
                network_backend=network,
            )
            for scheme, network in self._networks.items()
        }

    def get(
        self,
        address: Address,
        act: Callable[[Response], T],
        headers: dict[bytes, bytes],
        attempts: int = ATTEMPTS,
        method: bytes = b"GET",
    ) -> T:
        """What `act` makes of the answer to a request; it is called again if the body ends early.

        Raises:
            Rejected: the server refuses it, or leads to what may not be reached.
            Failed: the server does not answer, or may not be reached.
            Closed: this client was closed.
        """
        until, pause_s = time.monotonic() + ATTEMPTS_S, PAUSE_S
        for attempt in range(1, attempts + 1):
            try:
                with self._final_response(address, headers, method) as response:
                    return act(response)
            except (*_FAILURES, _Busy) as error:
                if self._closed.is_set():
                    raise Closed from None
                wait_s = getattr(error, "pause_s", None)
                wait_s = pause_s * random.uniform(0.5, 1.5) if wait_s is None else wait_s
                is_last = attempt == attempts or time.monotonic() + wait_s > until
                if is_last or wait_s > RETRY_AFTER_MAX_S:
                    raise Failed(
                        _failure_reason(error), error if isinstance(error, _Busy) else None
                    ) from None
            if self._closed.wait(wait_s):
                raise Closed
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
        raise AssertionError

    def close(self) -> None:
        """End all requests."""
        self._closed.set()
        for network in self._networks.values():
            network.close()
        for pool in self._pools.values():
            pool.close()

    @contextmanager
    def _final_response(
        self, address: Address, headers: dict[bytes, bytes], method: bytes
    ) -> Iterator[Response]:
        """The answer at the end of all redirects."""
        first = address
        for left in range(self._redirects, -1, -1):
            own = {b"Authorization": first.authorization} if first.authorization else {}
            also = own if address.origin == first.origin else {}
            try:
                with self._response(address, {**headers, **also}, method) as response:
                    if response.status not in _REDIRECTS or not left:
                        _check(response)
                        yield response
                        return
                    leads = _redirect_target(address, response)
            except Failed:
                if address is first:
                    raise
                raise Rejected(0) from None  # the server that leads there answers
            address = leads

    @contextmanager
    def _response(
        self, address: Address, headers: dict[bytes, bytes], method: bytes
    ) -> Iterator[Response]:
        url = httpcore.URL(
            scheme=address.scheme, host=address.host, port=address.port, target=address.target
        )
        sent = {
            b"Host": address.netloc,
            b"User-Agent": b"hangtag",
            b"Accept-Encoding": b"identity",
            **headers,
        }
        limits = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_S)
        _requesting.now = True
        try:
            with self._pools[address.scheme].stream(
                method, url, headers=list(sent.items()), extensions={"timeout": limits}
            ) as response:
                assert not isinstance(response.stream, httpcore.AsyncConnectionInterface)
                yield Response(
                    response.status,
                    {name.lower(): value for name, value in response.headers},
                    response.iter_stream(),
                )
        except Refused as error:
            raise Failed(str(error)) from None
        except Endless:
            raise Rejected(0) from None
        finally:
            _requesting.now = False


def _check(response: Response) -> None:
    """Raises _Busy, Rejected for an answer without an image."""
    if response.status in _AGAIN:
        raise _Busy(response.status, _reason_in(response), _pause_of(response))
    has_nothing = response.status == 416 and b"content-range" in response.headers
    if response.status not in (200, 206) and not has_nothing:
        raise Rejected(response.status, _reason_in(response))


def _reason_in(response: Response) -> bytes:
    """The start of an answer that refuses."""
    text = b""
    with suppress(*_FAILURES):  # the status is an answer without it
        for piece in response.body:
            text += piece
            if len(text) >= _REASON_BYTES:
                break
    return text[:_REASON_BYTES]


def _redirect_target(address: Address, response: Response) -> Address:
    """The address that an answer leads to. Raises Rejected: it is none, or without encryption."""
    location = response.headers.get(b"location", b"").decode("latin-1")
    here = b"%s://%s%s" % (address.scheme, address.netloc, address.target)
    try:
        leads = parsed_address(urljoin(here.decode("latin-1"), location).encode("latin-1"))
    except ValueError:
        raise Rejected(response.status) from None
    if leads.scheme == HTTP and address.scheme == HTTPS:
        raise Rejected(response.status)
    return leads._replace(user=b"")


def _pause_of(response: Response) -> float | None:
    """The pause that a server asks for, in seconds."""
    seconds = response.number(b"retry-after")
    if seconds is not None:
        return float(seconds)
    try:
        text = response.headers[b"retry-after"].decode("latin-1")
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (KeyError, ValueError, OverflowError):
        return None


def _failure_reason(error: Exception) -> str:
    if isinstance(error, _Busy):
        return f"answers {error.status}"
    if isinstance(error, httpcore.TimeoutException):
        return f"it is silent, or too slow, for {TIMEOUT_S:.0f} s"
    if isinstance(error, httpcore.ProtocolError):
        return "its answers end early"
    raised = next(iter(error.args), None)  # httpcore's pool removes the cause
    return getattr(raised, "strerror", None) or str(error) or type(error).__name__
