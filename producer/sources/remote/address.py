"""Addresses of images on web servers, and the names of the rows of addresses, without secrets.

The query of a signed address, and a user with a password, may be secrets. So the row of such an
address is named without them, and has the number of its line in the list instead: addresses that
differ only there are told apart by it. A password may contain `/`, `?` or `#`, so of an address
with an `@` behind its host nothing is displayed but the scheme and the number.
"""

from __future__ import annotations

import base64
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from shared.errors import UsageError
from shared.messages.files import printable

HTTPS, HTTP = b"https", b"http"
_PORTS = {HTTPS: 443, HTTP: 80}
_FORM = re.compile(
    rb"(?P<scheme>https?)://(?:(?P<user>[^/?#@]*(?:@[^/?#@]*)*)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]]+)"
    rb"(?::(?P<port>\d{1,5}))?(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?:#.*)?",
    re.IGNORECASE | re.DOTALL,
)
_IS = re.compile(rb"https?://", re.IGNORECASE)
#: A key has neither user nor query, so what looks like one may be a secret in the wrong place.
_S3_UNSURE = re.compile(rb"s3://(?:[^/]*:|.*[@?])", re.IGNORECASE | re.DOTALL)
_LINE = re.compile(rb"#(\d+)\Z")
_S3_LINE = re.compile(rb"s3://#(\d+)", re.IGNORECASE)
#: What a request may contain as it is; `%` has been escaped before.
_UNSAFE = re.compile(rb"[^!$-;=?-Z\[\]_a-z~]")


class Address(NamedTuple):
    """Where an image is."""

    scheme: bytes
    host: bytes  #: without brackets
    port: int
    target: bytes  #: path and query, as they are requested
    user: bytes = b""  #: with a password, unescaped

    @property
    def origin(self) -> tuple[bytes, bytes, int]:
        return self.scheme, self.host, self.port

    @property
    def is_signed(self) -> bool:
        """Whether it may have a signature, which can be renewed in its list."""
        return bool(self.user) or b"?" in self.target

    @property
    def netloc(self) -> bytes:
        host = b"[%s]" % self.host if b":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else b"%s:%d" % (host, self.port)

    @property
    def authorization(self) -> bytes:
        """The header of user and password; empty without them."""
        return b"Basic " + base64.b64encode(self.user) if self.user else b""


def is_web(typed: bytes) -> bool:
    """Whether this is an address of a web server."""
    return _IS.match(typed) is not None


def parsed_address(typed: bytes) -> Address:
    """The address. Raises ValueError: it is none; the text has no secrets."""
    match = _FORM.fullmatch(typed)
    if match is None:
        raise ValueError("it has no valid host")
    scheme = match["scheme"].lower()
    port = int(match["port"] or _PORTS[scheme])
    if not 0 < port < 1 << 16:
        raise ValueError("its port is not valid")
    host = match["host"].strip(b"[]")
    try:
        host = host.decode().encode("idna").lower()
    except UnicodeError:
        raise ValueError("its host is not valid") from None
    target = (match["path"] or b"/") + (match["query"] or b"")
    user = unquote_to_bytes(match["user"] or b"")
    return Address(scheme, host, port, _UNSAFE.sub(_escaped, target), user)


def has_secret(typed: bytes) -> bool:
    """Whether an address has a query, or a user, or may have one."""
    if _may_hide_secret(typed):
        return True
    match = _FORM.fullmatch(typed)
    return match is not None and (match["user"] is not None or match["query"] is not None)


def _may_hide_secret(typed: bytes) -> bool:
    """Whether any part of an address may belong to a secret."""
    if not is_web(typed):
        return _S3_UNSURE.match(typed) is not None
    match = _FORM.fullmatch(typed)
    return match is None or b"@" in typed[match.end("host") :]


def row_name_of(typed: bytes, number: int) -> bytes:
    """The name of the row of an address in a list; `number` counts its line from 0."""
    return without_secrets(typed) + (b"#%d" % (number + 1) if has_secret(typed) else b"")


def line_of(name: bytes) -> int | None:
    """The number of the line that a name has, from 0; None if its address has no secrets."""
    match = _LINE.search(name) if is_web(name) else _S3_LINE.fullmatch(name)
    return int(match[1]) - 1 if match else None


def without_line(name: bytes) -> bytes:
    """The address in a name."""
    return name if line_of(name) is None else _LINE.sub(b"", name)


def recorded_line(typed: bytes) -> bytes:
    """A line of a list as it is stored: an empty query stands for what is left out."""
    return without_secrets(typed) + (b"?" if has_secret(typed) else b"")


def check_argument(typed: bytes) -> None:
    """Check an address that was typed as an argument, which each user of this machine may read.

    Raises:
        UsageError: it is none, or has a query or a password, or may have one.
    """
    shown = f"{shown_address(typed):.300}"
    if is_web(typed):
        try:
            parsed_address(typed)
        except ValueError as error:
            raise UsageError(f"{shown} is no address: {error}") from None
    if has_secret(typed):
        raise UsageError(
            f"{shown} may have a query or a password, and ps displays arguments to all users; put "
            "such addresses into a file and name that with --list"
        )


def without_secrets(typed: bytes) -> bytes:
    """An address without user, query and fragment; the scheme alone if a part of the rest may
    belong to a secret. What is no address of the web or an object is public."""
    if _may_hide_secret(typed):
        return typed[: typed.index(b"://") + 3]
    match = _FORM.fullmatch(typed)
    if match is None:
        return typed
    port = b":" + match["port"] if match["port"] else b""
    return b"%s://%s%s%s" % (match["scheme"], match["host"], port, match["path"] or b"")


def _escaped(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]


def shown_address(typed: bytes) -> str:
    """An address of any kind without user, password and query, which may be secrets."""
    typed = without_secrets(typed)
    scheme, _, rest = typed.partition(b"://")
    host = re.split(rb"[/?#]", rest, maxsplit=1)[0]
    path = re.split(rb"[?#]", rest[len(host) :], maxsplit=1)[0]
    if b"@" in rest[len(host) :]:  # a password may have these characters, unescaped
        host = path = b""
    return printable(scheme + b"://" + host.rpartition(b"@")[2] + path)


def address_line(typed: bytes) -> str:
    """The line on an address that nothing reads."""
    shown = shown_address(typed)
    return (
        f"{shown:.300} is an address, and files are classified; copy them into a folder and "
        "classify that"
    )
