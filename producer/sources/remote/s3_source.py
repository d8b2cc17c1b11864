"""The images of buckets: `s3://bucket/prefix`, and single objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from producer.job import skipped
from producer.sources.folder_walk import FILE, Selection, is_hidden
from producer.sources.remote.address import check_argument, line_of
from producer.sources.remote.remote_source import RemoteSource, stamp_in, tag_stamp
from producer.sources.remote.requests_ahead import Hold, Read, RequestsAhead
from producer.sources.remote.s3_client import (
    NO_BUCKET,
    NotListed,
    Page,
    S3Client,
    S3Error,
    in_order,
    page_in,
    page_query,
    page_text,
)
from producer.sources.remote.web_client import Failed, Response
from shared.errors import SetupError, UsageError
from shared.image_status import Status
from shared.messages.files import NO_STAMP, Stamp, printable

if TYPE_CHECKING:
    from producer.job.job_options import JobOptions
    from producer.sources.job_sources import Walk
    from shared.stop import Waits


SCHEME = b"s3://"
_NO_BUCKET = re.compile(r"[?#@:]")


def split(name: bytes) -> tuple[str, str]:
    """The bucket and the key of an address. Raises UnicodeDecodeError: no key has other bytes."""
    bucket, _, key = name[len(SCHEME) :].partition(b"/")
    return bucket.decode(), key.decode()


def is_bucket(name: str) -> bool:
    """Whether this may be the name of a bucket, and not a user with a password, or a query."""
    return bool(name) and not _NO_BUCKET.search(name)


def _server_error(where: str, error: object) -> SetupError:
    """The one line on what a server answers, or that it does not."""
    what = f"cannot be reached ({error})" if isinstance(error, Failed) else f"answers {error}"
    return SetupError(
        f"{where}: its server {what}; check the bucket, AWS_ENDPOINT_URL, AWS_REGION and the "
        "credentials, then run the same command again"
    )


class S3Source(RemoteSource):
    """Objects of S3 servers."""

    def __init__(self, typed: bytes, options: JobOptions, waits: Waits) -> None:
        super().__init__(typed, options, waits)
        self._listings = RequestsAhead(self._fetch_page, waits.check)
        self._client = S3Client()

    def check(self, is_new: bool) -> None:
        if is_new:
            check_argument(self.typed)
        if not self.typed.startswith(SCHEME):
            small = printable(SCHEME + self.typed[len(SCHEME) :])
            raise UsageError(f"{printable(self.typed)}: write it as {small}")
        try:
            bucket = split(self.typed)[0]
        except UnicodeDecodeError:
            bucket = ""
        if not is_bucket(bucket):
            raise UsageError(
                f"{printable(self.typed)}: name a bucket and a prefix, like s3://bucket/photos/"
            )
        # A fault of the server, the bucket or the credentials is reported before work starts.
        if self._own_stamp == NO_STAMP:
            next(self._objects(), None)

    def holds(self, name: bytes) -> bool:
        if not self.typed:
            return name[: len(SCHEME)].lower() == SCHEME
        return name == self.typed or name.startswith(self.prefix)

    def entries(self, after: bytes, walk: Walk) -> Iterator[bytes]:
        return (name for name, _ in self.stamps(after, walk))

    def stamps(self, after: bytes, walk: Walk) -> Iterator[tuple[bytes, Stamp]]:
        if self._own_stamp != NO_STAMP:
            if self.typed > after:
                yield self.typed, self._own_stamp
            return
        selection = Selection(self.options.globs)
        for name, stamp in self._objects(after):
            below = name[len(self.prefix) :]
            why = selection.why_skipped(below, FILE, lambda: False, walk.skipped)
            if is_hidden(below):
                walk.skip(skipped.HIDDEN)
            elif why is None:
                yield name, stamp
            else:
                walk.skip(why)

    @cached_property
    def _own_stamp(self) -> Stamp:
        """The stamp of a single object that was typed; NO_STAMP if it is a prefix."""
        is_prefix = self.typed.endswith(b"/") or not split(self.typed)[1]
        return NO_STAMP if is_prefix else self.stamp(self.typed)

    def close(self) -> None:
        self._client.close()
        self._listings.close()
        super().close()

    def _objects(self, after: bytes = b"") -> Iterator[tuple[bytes, Stamp]]:
        """The names and stamps of the objects below the prefix, after a name. Raises SetupError."""
        bucket, prefix = split(self.prefix)
        start = split(after)[1] if after else ""
        try:
            for key, size, tag in in_order(self._pages(bucket, prefix, start), start):
                yield b"%s%s/%s" % (SCHEME, bucket.encode(), key.encode()), tag_stamp(size, tag)
        except NotListed as error:
            raise SetupError(f"s3://{bucket} cannot be listed: {error}") from None

    def _pages(self, bucket: str, prefix: str, after: str) -> Iterator[Page]:
        page = Page([], "")
        while True:
            asked = "\0".join((bucket, prefix, after, page.next)).encode()
            content, _ = self._listings.read(asked)
            assert isinstance(content, bytes)
            page = page_in(content)
            yield page
            if not page.next:
                return

    def _fetch_page(self, asked: bytes, hold: Hold) -> Read:
        bucket, prefix, after, token = asked.decode().split("\0")
        try:
            page = self._client.request(bucket, "", page_text, page_query(prefix, after, token))
        except (S3Error, Failed) as error:
            raise _server_error(f"s3://{bucket}", error) from None
        return page, NO_STAMP

    def _fetch(self, name: bytes, hold: Hold) -> Read:
        return self._request(name, lambda response: self._image_in(name, response, hold))

    def _fetch_stamp(self, name: bytes, hold: Hold) -> Read:
        return self._request(name, lambda response: (b"", stamp_in(response)), b"HEAD")

    def _request(
        self, name: bytes, act: Callable[[Response], Read], method: bytes = b"GET"
    ) -> Read:
        address, started = self._addresses.address_of(name), False

        def begun(response: Response) -> Read:
            nonlocal started
            started = True
            return act(response)

        try:
            bucket, key = split(address)
        except UnicodeDecodeError:
            return Status.MISSING, NO_STAMP
        if not is_bucket(bucket):
            return Status.MISSING, NO_STAMP
        # What looks like a bucket may be a part of a secret.
        is_secret = line_of(name) is not None
        where = printable(name) if is_secret else f"s3://{bucket}"
        try:
            return self._client.request(bucket, key, begun, method=method)
        except S3Error as error:
            if error.is_missing or (is_secret and error.code == NO_BUCKET):
                return Status.MISSING, NO_STAMP
            if not error.is_general:
                return Status.UNREADABLE, NO_STAMP
            raise _server_error(where, error.status if is_secret else error) from None
        except Failed as error:
            if started:  # its body ends early, each time
                return Status.UNREADABLE, NO_STAMP
            raise _server_error(where, error) from None
