"""The images of buckets: `s3://bucket/prefix`, and single objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from producer.sources.remote.address import line_of
from producer.sources.remote.remote_images import RemoteImages, stamp_in, tag_stamp
from producer.sources.remote.requests_ahead import Hold, Read, RequestsAhead
from producer.sources.remote.s3_client import NO_BUCKET, S3Client, S3Error
from producer.sources.remote.s3_listing import NotListed, Page, in_order, page_in, query, whole
from producer.sources.remote.web_client import ATTEMPTS, Failed, Response
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import NO_STAMP, Stamp, printable

SCHEME = b"s3://"
_NO_BUCKET = re.compile(r"[?#@:]")


def split(name: bytes) -> tuple[str, str]:
    """The bucket and the key of an address. Raises UnicodeDecodeError: no key has other bytes."""
    bucket, _, key = name[len(SCHEME) :].partition(b"/")
    return bucket.decode(), key.decode()


def is_bucket(name: str) -> bool:
    """Whether this may be the name of a bucket, and not a user with a password, or a query."""
    return bool(name) and not _NO_BUCKET.search(name)


class S3Objects(RemoteImages):
    """Objects of any bucket, by the names of their rows; `address_of` returns the address of a
    name."""

    def __init__(
        self,
        max_bytes: int = MAX_FILE_BYTES,
        check: Callable[[], None] = lambda: None,
        address_of: Callable[[bytes], bytes] = lambda name: name,
        attempts: int = ATTEMPTS,
    ) -> None:
        super().__init__(max_bytes, check)
        self._client, self._address_of = S3Client(attempts), address_of
        self._listings = RequestsAhead(self._fetch_page, check)

    def entries(self, root: bytes, after: bytes = b"") -> Iterator[tuple[bytes, Stamp]]:
        """The names and stamps of the objects below an address, after a name. Raises SetupError."""
        bucket, prefix = split(root.rstrip(b"/") + b"/")
        start = split(after)[1] if after else ""
        try:
            for key, size, tag in in_order(self._pages(bucket, prefix, start), start):
                yield b"%s%s/%s" % (SCHEME, bucket.encode(), key.encode()), tag_stamp(size, tag)
        except NotListed as error:
            raise SetupError(f"s3://{bucket} cannot be listed: {error}") from None

    def close(self) -> None:
        self._client.close()
        self._listings.close()
        super().close()

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
            page = self._client.request(bucket, "", whole, query(prefix, after, token))
        except (S3Error, Failed) as error:
            raise _line(f"s3://{bucket}", error) from None
        return page, NO_STAMP

    def _fetch(self, name: bytes, hold: Hold) -> Read:
        return self._answered(name, lambda response: self._image_in(name, response, hold))

    def _fetch_stamp(self, name: bytes, hold: Hold) -> Read:
        return self._answered(name, lambda response: (b"", stamp_in(response)), b"HEAD")

    def _answered(
        self, name: bytes, act: Callable[[Response], Read], method: bytes = b"GET"
    ) -> Read:
        address, started = self._address_of(name), False

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
            raise _line(where, error.status if is_secret else error) from None
        except Failed as error:
            if started:  # its body ends early, each time
                return Status.UNREADABLE, NO_STAMP
            raise _line(where, error) from None


def _line(where: str, error: object) -> SetupError:
    """The one line on what a server answers, or that it does not."""
    if isinstance(error, Failed):
        return SetupError(
            f"{where}: its server cannot be reached ({error}); check the network and "
            "AWS_ENDPOINT_URL, then run the same command again"
        )
    return SetupError(
        f"{where}: its server answers {error}; check the bucket, AWS_REGION and the credentials, "
        "then run the same command again"
    )
