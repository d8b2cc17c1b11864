"""Requests to S3 servers, by obstore: credentials, region and address of the server are what the
environment says (`AWS_...`), and retries, backoff and resumed bodies are the library's.

Its requests are coroutines of one thread, so that those which wait for a silent server can be
cancelled.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from shared import installation
from shared.errors import NoCredentials, SetupError
from shared.messages.files import printable

if TYPE_CHECKING:
    from obstore import ListStream, ObjectMeta
    from obstore.store import S3Store

T = TypeVar("T")
#: The keys that a server lists at once.
PAGE_KEYS = 1000
#: A page of a listing that ends early is requested again; the library repeats what fails earlier.
PAGE_ATTEMPTS = 5
PAGE_PAUSE_S = 0.2
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_REGION = re.compile(r"<Region>([\w-]{1,64})</Region>")
_BAD_KEY = re.compile(r'[Pp]ath "(.*?)"(?::| contained)', re.DOTALL)
#: What a server answers to credentials that hold no longer, or never did.
_REFUSED_CODES = {
    "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken",
    "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "TokenRefreshRequired",
}  # fmt: skip
#: Where a machine of a cloud has its credentials; and what else says where they are.
_METADATA_HOST, _METADATA_PORT, _METADATA_S = "169.254.169.254", 80, 1.0
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
)  # fmt: skip
#: What says where the server is, and whether an address without encryption may be used.
_SERVERS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_HTTP, _TRUE = "AWS_ALLOW_HTTP", ("1", "true", "on", "yes", "y", "t")
#: The library's error for a key without its secret.
_NO_SECRET = "Missing SecretAccessKey"
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\uffff]")
_AGAIN = "the same command resumes the job"
#: Of what is wrong before there is a job, too.
_RUN = "run the same command again"


class Missing(Exception):
    """There is no such object."""


class NoBucket(SetupError):
    """There is no such bucket."""


class Denied(Exception):
    """The server gives this object to no client."""


class CutOff(Exception):
    """The body of an object ended early, or the object changed before the rest of it was sent."""


class Opened(NamedTuple):
    """An object whose body has not been read yet."""

    size: int
    tag: str  #: its ETag
    body: Any  #: of obstore


def lack() -> str:
    """What to install before objects can be read; empty if it is there."""
    return installation.missing(installation.OBJECT_STORE_PACKAGES, "remote")


def check_credentials(bucket: str) -> None:
    """Check that there may be credentials. The library asks for those of this machine in a cloud,
    and elsewhere waits minutes for an answer.

    Raises:
        NoCredentials: there are none.
    """
    if any(map(os.environ.get, _CREDENTIALS)):
        return
    try:
        socket.create_connection((_METADATA_HOST, _METADATA_PORT), _METADATA_S).close()
    except OSError:
        raise no_credentials(bucket) from None


def check_server() -> None:
    """Check the address of the server, if the environment has one: the library ends the process
    where it is no address.

    Raises:
        SetupError: it is none, or not encrypted without leave.
    """
    for name in _SERVERS:
        address = os.environ.get(name, "")
        if not address:
            continue
        if not _is_address(address):
            raise SetupError(
                f"{name} is no address of a server; set it to one like https://s3.example.org:9000"
            )
        if address.startswith("http:") and os.environ.get(_HTTP, "").lower() not in _TRUE:
            raise SetupError(
                f"{name} is an address without encryption; set {_HTTP}=true to use it, or set an "
                "address that starts with https://"
            )


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0  # ValueError: it is no number
            and _SPACE.search(text) is None
        )
    except ValueError:
        return False


def no_credentials(bucket: str) -> NoCredentials:
    return NoCredentials(
        f"s3://{bucket}: there are no credentials; set AWS_ACCESS_KEY_ID and "
        f"AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public bucket, then {_RUN}"
    )


class S3Client:
    """Buckets, for several threads. `store` options are obstore's, beside the environment."""

    def __init__(self, **store: Any) -> None:
        if why := lack():
            raise SetupError(f"images of s3:// cannot be read: {why}")
        if "endpoint" not in store:
            check_server()
        self._options = store
        self._stores: dict[str, S3Store] = {}
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._closed = False

    def open(self, bucket: str, key: str) -> Opened:
        """Request an object. Raises Missing, Denied, SetupError."""
        import obstore

        async def opened() -> Opened:
            result = await obstore.get_async(self._store(bucket), key)
            return Opened(result.meta["size"], result.meta["e_tag"] or "", result)

        return self._call(bucket, opened)

    def body(self, bucket: str, opened: Opened) -> bytes:
        """Read the body of an object. Raises CutOff, and as `open`."""

        async def body() -> bytes:
            return bytes(await opened.body.bytes_async())

        return self._call(bucket, body)

    def head(self, bucket: str, key: str) -> Opened:
        """What is known of an object. Raises as `open`."""
        import obstore

        async def head() -> Opened:
            meta = await obstore.head_async(self._store(bucket), key)
            return Opened(meta["size"], meta["e_tag"] or "", None)

        return self._call(bucket, head)

    def listing(self, bucket: str, prefix: str, after: str) -> ListStream[Sequence[ObjectMeta]]:
        """The objects below a prefix with keys after `after`, in pages."""
        import obstore

        return obstore.list(
            self._store(bucket), prefix or None, offset=after or None, chunk_size=PAGE_KEYS
        )

    def page(self, stream: ListStream[Sequence[ObjectMeta]]) -> Future[Sequence[ObjectMeta] | None]:
        """The next page, as soon as it is there; None after the last one. Its errors are those of
        the library (`listing_error`)."""

        async def page() -> Sequence[ObjectMeta] | None:
            return await anext(stream, None)

        return self._started(page)

    def close(self) -> None:
        """End all requests; each raises CancelledError in its thread."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            self._loop.call_soon_threadsafe(self._cancel)
            thread.join()
        self._loop.close()

    def _cancel(self) -> None:
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        ended = asyncio.gather(*tasks, return_exceptions=True)
        ended.add_done_callback(lambda _: self._loop.stop())

    def _call(self, bucket: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return self._started(work).result()
        except CancelledError:
            raise
        except Exception as error:
            raise object_error(bucket, error) from None

    def _started(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        with self._lock:
            if self._closed:
                raise CancelledError
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._loop.run_forever, daemon=True, name="objects"
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work(), self._loop)

    def _store(self, bucket: str) -> S3Store:
        from obstore.store import S3Store

        if bucket not in self._stores:
            try:
                self._stores[bucket] = S3Store(bucket, **self._options)
            except Exception as error:  # an invalid variable
                if _NO_SECRET in str(error):
                    raise no_credentials(bucket) from None
                raise SetupError(
                    f"s3://{bucket} cannot be reached: {first_line(error)}; check the variables "
                    "AWS_..."
                ) from None
        return self._stores[bucket]


def object_error(bucket: str, error: Exception) -> Exception:
    """What an error of one request means."""
    if isinstance(error, SetupError):
        return error
    status, code = _answer(error)
    if isinstance(error, FileNotFoundError) and code != "NoSuchBucket":
        return Missing()
    if _is_transient(error):
        return CutOff()
    general = _of_bucket(bucket, status, code, error)
    if general is None:
        return Denied()
    return general


def listing_error(bucket: str, error: Exception) -> SetupError | None:
    """The error of a listing; None if the page may be requested again."""
    if isinstance(error, SetupError):
        return error
    if type(error).__name__ == "InvalidPathError":
        found = _BAD_KEY.search(str(error))
        key = printable(found[1].encode()) if found else "one of its keys"
        return SetupError(
            f"s3://{bucket} has the key {key:.300}, which cannot be read: parts of a key are not "
            "empty, neither . nor .., and without control characters; name a prefix without it"
        )
    status, code = _answer(error)
    general = _of_bucket(bucket, status, code, error)
    if general is None and status == 403:
        return SetupError(
            f"s3://{bucket} may not be listed with these credentials ({code or status}); allow "
            f"them s3:ListBucket and s3:GetObject, then {_RUN}"
        )
    if general is None:
        return SetupError(f"s3://{bucket} cannot be listed ({code or status}); {_RUN}")
    return None if _is_transient(error) else general


def _is_transient(error: Exception) -> bool:
    """Whether a body ended early, and the library does not go on."""
    return "response body" in str(error) and "status code" not in str(error)


def _of_bucket(bucket: str, status: int, code: str, error: Exception) -> SetupError | None:
    """The error, if it concerns all objects."""
    where = f"s3://{bucket}"
    if _METADATA_HOST in str(error):
        return no_credentials(bucket)
    if code == "NoSuchBucket":
        return NoBucket(f"{where}: there is no such bucket; check its name")
    if code in _REFUSED_CODES or status == 401:
        why = "have expired" if "Expired" in code else f"are refused ({code or status})"
        return SetupError(
            f"{where}: the credentials {why}; renew them (AWS_ACCESS_KEY_ID, "
            f"AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), then {_AGAIN}"
        )
    if region := _REGION.search(str(error)):
        return SetupError(
            f"{where} is in region {region[1]}; set AWS_REGION={region[1]}, then {_RUN}"
        )
    if "redirect without LOCATION" in str(error):
        return SetupError(f"{where} is in another region; set AWS_REGION to that, then {_AGAIN}")
    if 400 <= status < 500 and status not in (408, 429):
        return None
    if status:
        what = f"answers {status} {code}".rstrip()
        return SetupError(f"{where} {what} after several attempts; {_AGAIN}")
    at, check = _server()
    why = f"{where}{at} cannot be reached ({_cause(error)}) after several attempts"
    return SetupError(f"{why}; {check}{_AGAIN}")


def _server() -> tuple[str, str]:
    """The server that the environment names, without what may be secret, and what to check; both
    empty if it names none."""
    for name in _SERVERS:
        if address := os.environ.get(name):
            return f" at {urlsplit(address).netloc.rpartition('@')[2]}", f"check {name}, then "
    return "", ""


def _answer(error: Exception) -> tuple[int, str]:
    """The HTTP status and the code of S3 in an error; 0 and empty if there is none."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    return int(status[1]) if status else 0, code[1] if code else ""


def _cause(error: Exception) -> str:
    """The innermost cause that the library names, without addresses."""
    text = first_line(error)
    return text.rpartition(" - ")[2].rpartition(": ")[2] or "no answer"


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
