"""Requests to S3 servers, signed over the same checked network as those to web servers.

Where the server is, and the credentials, are what the environment says (`AWS_...`); those of
profiles, containers and machines of a cloud are found by botocore, which is imported only for them.
Signing is our own: botocore takes 25 MB and a fifth of a millisecond for each request.

A redirect is refused: it would lead a signed request to another server.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, unquote_plus
from xml.etree import ElementTree

from producer.sources.remote.address import HTTP, Address, parsed_address
from producer.sources.remote.web_client import (
    ATTEMPTS,
    Failed,
    Rejected,
    Response,
    WebClient,
)
from shared.errors import NoCredentials, SetupError
from shared.messages.files import printable

T = TypeVar("T")
#: What says where the server is, and whether an address without encryption may be used.
_SERVERS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_PLAIN, _UNSIGNED = "AWS_ALLOW_HTTP", "AWS_SKIP_SIGNATURE"
_TRUE = ("1", "true", "on", "yes", "y", "t")
_KEY, _SECRET, _TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
_REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")
_DEFAULT_REGION = "us-east-1"
#: Until a server has answered, a person waits who may have misspelt it: pauses of 1.5 s in all.
FIRST_ATTEMPTS = 5
NO_BUCKET = "NoSuchBucket"
#: Codes that hold for every object: of credentials that have expired or are unknown, and of another
#: region.
_OF_ALL = {
    NO_BUCKET, "AuthorizationHeaderMalformed", "ExpiredToken", "ExpiredTokenException",
    "InvalidAccessKeyId", "InvalidToken", "RequestExpired", "RequestTimeTooSkewed",
    "SignatureDoesNotMatch", "TokenRefreshRequired",
}  # fmt: skip
_OF_ALL_STATUSES = {401, 408, 425, 429}
_CODE = re.compile(rb"<Code>(\w{1,64})</Code>")
_MESSAGE, _MESSAGE_CHARS = re.compile(rb"<Message>([^<]+)"), 300
_NO_BODY = hashlib.sha256(b"").hexdigest()
_KEY_BYTES = 1024
#: More than a page of S3 has: 1,000 of the longest keys, escaped, and what else it says of each.
PAGE_MAX_BYTES = 4 << 20
#: Pages in a row that have no key, of which an endless listing may consist.
_EMPTY_MAX = 1000


class S3Error(Exception):
    """A server refuses a request; the text has its code and message, and no secret."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code = status, code

    @property
    def is_missing(self) -> bool:
        """Whether there is no such object, in a bucket that there is."""
        return self.status == 404 and self.code != NO_BUCKET

    @property
    def is_general(self) -> bool:
        """Whether the server refuses every object alike."""
        is_redirect, is_fault = 300 <= self.status < 400, self.status >= 500
        return is_redirect or is_fault or self.status in _OF_ALL_STATUSES or self.code in _OF_ALL


class Credentials(NamedTuple):
    """What a request is signed with."""

    key: str
    secret: str
    token: str


def server_address(region: str) -> Address:
    """The server that the environment names, or Amazon's of a region.

    Raises:
        SetupError: it is no address, or not encrypted without leave.
    """
    for name in _SERVERS:
        if text := os.environ.get(name, ""):
            return _checked_server(name, text)
    return parsed_address(f"https://s3.{region}.amazonaws.com".encode())


def _checked_server(name: str, text: str) -> Address:
    try:
        address = parsed_address(text.encode("ascii"))
    except ValueError:
        address = None
    if address is None or re.search(r"[\s\x00-\x1f?#]", text):
        raise SetupError(
            f"{name} is no address of a server; set it to one like https://s3.example.org:9000"
        )
    if address.scheme == HTTP and not _is_set(_PLAIN):
        raise SetupError(
            f"{name} is an address without encryption; set {_PLAIN}=true to use it, or set an "
            "address that starts with https://"
        )
    return address


def _is_set(name: str) -> bool:
    return os.environ.get(name, "").lower() in _TRUE


class S3Client:
    """Buckets, for several threads."""

    def __init__(self) -> None:
        self._region = next(filter(None, map(os.environ.get, _REGION)), _DEFAULT_REGION)
        self._client = WebClient(local=True, plain=_is_set(_PLAIN), redirects=0)
        self._attempts = FIRST_ATTEMPTS
        self._lock = threading.Lock()

    def request(
        self,
        bucket: str,
        key: str,
        act: Callable[[Response], T],
        query: Mapping[str, str] = {},
        method: bytes = b"GET",
    ) -> T:
        """What `act` makes of the answer; it is called again if a body ends early.

        Raises:
            S3Error: the server refuses it.
            Failed: the server does not answer.
            NoCredentials: there are none.
            SetupError: the environment names no server.
            Closed: this client was closed.
        """
        path = f"/{quote(bucket)}/{quote(key)}" if key else f"/{quote(bucket)}"
        pairs = sorted((quote(name, ""), quote(value, "")) for name, value in query.items())
        asked = "&".join(f"{name}={value}" for name, value in pairs)
        server = server_address(self._region)
        path = server.target.decode().rstrip("/") + path
        target = (f"{path}?{asked}" if asked else path).encode()
        address = server._replace(target=target, user=b"")
        credentials = None if _is_set(_UNSIGNED) else self._credentials()
        headers = {}
        if credentials is not None:
            now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            host = address.netloc.decode()
            headers = signature(credentials, self._region, method.decode(), host, path, asked, now)
        try:
            answer = self._client.get(
                address,
                act,
                {name.encode(): value.encode() for name, value in headers.items()},
                self._attempts,
                method,
            )
        except Rejected as error:
            raise _refusal(error, credentials) from None
        except Failed as error:
            if error.busy is None:
                raise
            raise _refusal(error.busy, credentials) from None
        self._attempts = ATTEMPTS
        return answer

    def close(self) -> None:
        """End all requests."""
        self._client.close()

    def _credentials(self) -> Credentials:
        """Raises NoCredentials."""
        key, secret = os.environ.get(_KEY, ""), os.environ.get(_SECRET, "")
        if key and secret:
            return Credentials(key, secret, os.environ.get(_TOKEN, ""))
        with self._lock:
            found = None if key else self._stored_credentials
        if found is None:
            raise NoCredentials(
                f"there are no credentials for s3://; set {_KEY} and {_SECRET}, or "
                f"{_UNSIGNED}=true for a public bucket, then run the same command again"
            )
        frozen = _current_credentials(found)
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")

    @cached_property
    def _stored_credentials(self) -> Any:
        """The credentials of a profile, a container or this machine; None if there are none."""
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        try:
            return Session().get_credentials()
        except BotoCoreError as error:
            raise _not_usable(error) from None


def _current_credentials(found: Any) -> Any:
    """Credentials of botocore as they are now, renewed if they expire. Raises NoCredentials."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return found.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:
        raise _not_usable(error) from None


def _not_usable(error: Exception) -> NoCredentials:
    reason = printable(str(error)[:_MESSAGE_CHARS].encode())
    return NoCredentials(
        f"the credentials for s3:// cannot be used: {reason}; log in again or choose another "
        "AWS_PROFILE, then run the same command again"
    )


def signature(
    credentials: Credentials, region: str, method: str, host: str, path: str, query: str, now: str
) -> dict[str, str]:
    """The headers of a request without a body, by AWS's Signature Version 4. `query` is sorted;
    `now` is like 20261201T120000Z."""
    headers = {"host": host, "x-amz-content-sha256": _NO_BODY, "x-amz-date": now}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = "\n".join((method, path, query, lines, names, _NO_BODY))
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{credentials.secret}".encode()
    for text in scope.split("/"):
        key = hmac.digest(key, text.encode(), "sha256")
    made = hmac.digest(key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}".encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.key}/{scope}, SignedHeaders={names}, "
        f"Signature={made}"
    )
    del headers["host"]
    return headers


def _refusal(error: Rejected, credentials: Credentials | None) -> S3Error:
    code, message = _CODE.search(error.reason), _MESSAGE.search(error.reason)
    text = f"{error.status or 'without end'} {code[1].decode() if code else ''}".rstrip()
    if message is not None:
        shown = printable(message[1])
        for secret in (credentials.secret, credentials.token) if credentials else ():
            shown = shown.replace(secret, "...") if secret else shown
        text += f" ({shown[:_MESSAGE_CHARS]})"
    return S3Error(error.status, code[1].decode() if code else "", text)


class NotListed(Exception):
    """A listing cannot be read. The text says why, after the name of the bucket."""


class Listed(NamedTuple):
    """An object of a listing."""

    key: str
    size: int
    tag: str  #: its ETag


class Page(NamedTuple):
    """Some objects of a listing."""

    objects: list[Listed]
    next: str  #: the token of the page that follows; empty: there is none


def page_query(prefix: str, after: str, token: str) -> Mapping[str, str]:
    """What requests a page of keys below a prefix and after a key, or the one with a token."""
    asked = {"list-type": "2", "encoding-type": "url"}
    asked |= {"prefix": prefix} if prefix else {}
    if token:
        return asked | {"continuation-token": token}
    return asked | ({"start-after": after} if after else {})


def page_text(response: Response) -> bytes:
    """The text of a page. Raises NotListed."""
    text = bytearray()
    for piece in response.body:
        text += piece
        if len(text) > PAGE_MAX_BYTES:
            raise NotListed(f"a page of its listing has more than {PAGE_MAX_BYTES:,} bytes")
    return bytes(text)


def page_in(text: bytes) -> Page:
    """The page. Raises NotListed."""
    try:
        if b"<!" in text:  # entities are no part of it
            raise ValueError
        root = ElementTree.fromstring(text.decode())  # in no other encoding, where "<!" differs
        is_encoded = _text(root, "EncodingType") == "url"
        objects = [_listed(each, is_encoded) for each in root.iterfind("{*}Contents")]
    except (ElementTree.ParseError, LookupError, ValueError):
        raise NotListed("its server answers with another text than a listing") from None
    is_last = _text(root, "IsTruncated") != "true"
    return Page(objects, "" if is_last else _text(root, "NextContinuationToken"))


def in_order(pages: Iterator[Page], after: str) -> Iterator[Listed]:
    """The objects after a key, except marks of folders. Raises NotListed."""
    last, empty = after.encode(), 0
    for page in pages:
        empty = 0 if page.objects else empty + 1
        if empty > _EMPTY_MAX or (page.next and page.objects and page.objects[-1].key == after):
            raise NotListed("its listing does not end")
        for each in page.objects:
            key = each.key.encode()
            if b"\0" in key or len(key) > _KEY_BYTES:
                raise NotListed(f"it has the key {each.key[:200]!r}, which no server of S3 has")
            if key < last:
                raise NotListed(
                    f"it does not list its keys in byte order (at {each.key[:200]!r}), by which a "
                    "job resumes, as in a directory bucket; copy the pictures into a folder"
                )
            if key > last and not key.endswith(b"/"):
                yield each
            last, after = key, each.key


def _listed(element: ElementTree.Element, is_encoded: bool) -> Listed:
    key = _text(element, "Key")
    key = unquote_plus(key, errors="strict") if is_encoded else key
    return Listed(key, int(_text(element, "Size")), _text(element, "ETag"))


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{{*}}{name}") or ""
