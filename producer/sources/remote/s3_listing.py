"""The keys of a bucket, in byte order, page by page. A page has a bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from producer.sources.remote.web_client import Response

_KEY_BYTES = 1024
#: More than a page of S3 has: 1,000 of the longest keys, escaped, and what else it says of each.
PAGE_MAX_BYTES = 4 << 20
#: Pages in a row that have no key, of which an endless listing may consist.
_EMPTY_MAX = 1000


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


def query(prefix: str, after: str, token: str) -> Mapping[str, str]:
    """What requests a page of keys below a prefix and after a key, or the one with a token."""
    asked = {"list-type": "2", "encoding-type": "url"}
    asked |= {"prefix": prefix} if prefix else {}
    if token:
        return asked | {"continuation-token": token}
    return asked | ({"start-after": after} if after else {})


def whole(response: Response) -> bytes:
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
        root = ElementTree.fromstring(text)
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
