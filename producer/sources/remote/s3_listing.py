"""The keys of a bucket, in byte order, page by page. The next page is requested ahead."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from producer.sources.remote.s3_client import (
    PAGE_ATTEMPTS,
    PAGE_PAUSE_S,
    S3Client,
    listing_error,
)
from shared.errors import SetupError

if TYPE_CHECKING:
    from obstore import ObjectMeta

T = TypeVar("T")
_CHECK_S = 0.02


class Listed(NamedTuple):
    """An object of a listing."""

    key: str
    size: int
    tag: str  #: its ETag


def listed(
    client: S3Client,
    bucket: str,
    prefix: str,
    after: str = "",
    check: Callable[[], None] = lambda: None,
) -> Iterator[Listed]:
    """Every object below a prefix with a key after `after`. `check` may raise what ends a wait.

    Raises:
        SetupError: it cannot be listed, or its keys do not come in byte order.
    """
    failures = 0
    while True:
        try:
            for page in _pages(client, bucket, prefix, after, check):
                for each in page:
                    entry = Listed(each["path"], each["size"], each["e_tag"] or "")
                    if _is_folder(entry) or entry.key == after:
                        continue
                    if entry.key.encode() < after.encode():
                        raise SetupError(_unordered(bucket, entry.key))
                    after, failures = entry.key, 0
                    yield entry
            return
        except _PageError as error:
            failures += 1
            if failures == PAGE_ATTEMPTS:
                raise error.line from None
            _pause(PAGE_PAUSE_S * 2**failures, check)


class _PageError(Exception):
    """A page came in part; it may be requested again."""

    def __init__(self, line: SetupError) -> None:
        super().__init__(str(line))
        self.line = line


def _pages(
    client: S3Client, bucket: str, prefix: str, after: str, check: Callable[[], None]
) -> Iterator[Sequence[ObjectMeta]]:
    stream = client.listing(bucket, prefix, after)
    coming = client.page(stream)
    try:
        while (page := _waited(bucket, coming, check)) is not None:
            coming = client.page(stream)
            yield page
    finally:
        coming.cancel()


def _waited(bucket: str, coming: Future[T], check: Callable[[], None]) -> T:
    while True:
        check()
        with suppress(NotYet):
            try:
                return coming.result(_CHECK_S)
            except NotYet:
                raise
            except Exception as error:
                if (line := listing_error(bucket, error)) is not None:
                    raise line from None
                why = f"s3://{bucket}: a page of its keys ends early, after several attempts"
                raise _PageError(SetupError(f"{why}; the same command resumes the job")) from None


def _is_folder(entry: Listed) -> bool:
    """Whether this is the mark of a folder, whose key has a slash at its end, which the library
    removes: such a mark is empty."""
    return not entry.size and "." not in entry.key.rpartition("/")[2]


def _unordered(bucket: str, key: str) -> str:
    return (
        f"s3://{bucket} does not list its keys in byte order (at {key[:200]!r}), by which a job "
        "resumes, as in a directory bucket, or where a key starts with a slash; name a prefix "
        "without it, or copy the pictures into a folder"
    )


def _pause(seconds: float, check: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        check()
        time.sleep(_CHECK_S)
