"""Images of a real web server, with and without encryption, and through a proxy with faults."""

from __future__ import annotations

import base64
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpcore
import pytest

from producer.job.job_options import JobOptions
from producer.sources.remote import checked_network, web_client, web_source
from producer.sources.remote.address import parsed_address
from producer.sources.remote.requests_ahead import Closed
from producer.sources.remote.web_source import WebSource
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import NO_STAMP, STAMP, Stamp
from shared.stop import unstoppable
from tests.support.servers.fault_proxy import Fault, fault_proxy
from tests.support.servers.image_site import ImageSite, authority_file, image_site
from tests.support.servers.raw_site import raw_site

SECRET = "signature=SECRETxyz"


@pytest.fixture
def secure_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImageSite]:
    """A server over HTTPS, which the environment trusts."""
    authority, path = authority_file(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with image_site(authority) as running:
        yield running


@pytest.fixture(autouse=True)
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANGTAG_LOCAL_ADDRESSES", "1")


def opened(*addresses: bytes, max_bytes: int = MAX_FILE_BYTES) -> WebSource:
    """The source of these arguments."""
    options = JobOptions(addresses, b"/", "/out.csv", max_file_bytes=max_bytes)
    return WebSource(b"", options, unstoppable())


@pytest.fixture
def images() -> Iterator[WebSource]:
    with closing(opened()) as source:
        yield source


@contextmanager
def listed(folder: Path, addresses: list[bytes]) -> Iterator[tuple[WebSource, list[bytes]]]:
    """The source of a list, and the names of its rows."""
    (folder / "list").write_bytes(b"\n".join(addresses))
    options = JobOptions((), b"/", "/out.csv", list_file=bytes(folder / "list"))
    with closing(WebSource(b"", options, unstoppable())) as source:
        yield source, [source.row_name(line, n) for n, line in enumerate(addresses)]


def names(site: ImageSite, query: str = "") -> list[bytes]:
    return [f"{site.url}/{path}{query}".encode() for path in site.files]


def read(images: WebSource, name: bytes) -> tuple[bytes | Status, Stamp]:
    return images.read(name, MAX_FILE_BYTES)


def read_all(images: WebSource, named: list[bytes]) -> list[bytes | Status]:
    contents = []
    for number, name in enumerate(named):
        images.announce(named[number : number + 64])
        contents.append(read(images, name)[0])
    return contents


@pytest.mark.parametrize("end", ["", "#part", "#5"])
def test_an_address_may_end_in_a_fragment(end: str) -> None:
    with image_site() as site:
        site.files = {"a.jpg": b"image"}
        name = f"{site.url}/a.jpg{end}".encode()
        with closing(opened(name)) as source:
            assert source.read(name, 1 << 20)[0] == b"image"


def test_signed_addresses_are_read_over_https(secure_site: ImageSite, tmp_path: Path) -> None:
    secure_site.secret = SECRET
    secure_site.files = {f"p/{n} ü.jpg": os.urandom(2000) for n in range(60)}
    with listed(tmp_path, names(secure_site, f"?{SECRET}")) as (images, named):
        assert read_all(images, named) == list(secure_site.files.values())
    assert set(secure_site.hosts) == {secure_site.url.removeprefix("https://")}
    assert len(secure_site.requests) == len(secure_site.files)


def test_a_password_goes_to_its_server_and_not_where_that_leads(
    site: ImageSite, images: WebSource
) -> None:
    site.files = {"a.jpg": b"x"}
    site.authorization = "Basic " + base64.b64encode(b"user:pass@word").decode()
    address = f"{site.url}/a.jpg".replace("//", "//user:pass%40word@").encode()
    assert read(images, address)[0] == b"x"
    with image_site() as other:
        other.files = {"a.jpg": b"y"}
        other.authorization = site.authorization
        site.redirects = {"b.jpg": f"{other.url}/a.jpg"}
        assert read(images, address.replace(b"a.jpg", b"b.jpg"))[0] is Status.UNREADABLE
        assert len(other.requests) == 1


@pytest.mark.parametrize("has_tags", [True, False])
def test_a_stamp_is_that_of_the_image_without_reading_it_whole(
    site: ImageSite, images: WebSource, has_tags: bool
) -> None:
    site.has_tags = has_tags
    site.files = {"a.jpg": bytes(500_000), "empty.jpg": b""}
    for name in names(site):
        assert images.stamp(name) == read(images, name)[1] != NO_STAMP
    gone = f"{site.url}/gone.jpg".encode()
    assert images.stamp(gone) == NO_STAMP
    assert images.is_missing(gone)
    before = images.stamp(names(site)[0])
    site.files["a.jpg"] = b"\1" * 500_000 if has_tags else bytes(500_001)
    assert images.stamp(names(site)[0]) != before


def test_what_cannot_be_read_is_a_row_with_its_reason(site: ImageSite) -> None:
    site.files = {"large.jpg": bytes(101), "raw.nef": b"II*\0", "small.jpg": bytes(100)}
    site.files["jpeg.nef"] = b"\xff\xd8\xff\xe0"
    with closing(opened(max_bytes=100)) as images:
        expected = [Status.TOO_LARGE, Status.UNSUPPORTED, bytes(100), b"\xff\xd8\xff\xe0"]
        assert read_all(images, names(site)) == expected
        site.is_chunked = True  # the length is not known before the end
        assert read_all(images, names(site)) == expected
        assert read(images, f"{site.url}/gone.jpg".encode()) == (Status.MISSING, NO_STAMP)
        assert read(images, f"{site.url}/small.jpg?x".encode())[0] is Status.UNREADABLE


def test_a_redirect_is_followed_where_an_address_may_lead(
    site: ImageSite, images: WebSource
) -> None:
    site.files = {"a.jpg": b"x"}
    site.redirects = {
        "there.jpg": f"{site.url}/a.jpg",
        "relative.jpg": "there.jpg",
        "metadata.jpg": "http://169.254.169.254/latest/meta-data",
        "mapped.jpg": "http://[::ffff:169.254.169.254]/latest/meta-data",
        "private.jpg": "https://[fd00:ec2::254]/latest/meta-data",
        "unencrypted.jpg": "http://10.0.0.1/a.jpg",
        "file.jpg": "file:///etc/passwd",
        "loop.jpg": "loop.jpg",
    }
    found = {path: read(images, f"{site.url}/{path}".encode())[0] for path in site.redirects}
    assert found.pop("there.jpg") == found.pop("relative.jpg") == b"x"
    assert set(found.values()) == {Status.UNREADABLE}
    assert len([line for line in site.requests if "loop" in line]) <= 6


def test_https_does_not_lead_to_http(
    secure_site: ImageSite, site: ImageSite, images: WebSource
) -> None:
    site.files = secure_site.files = {"a.jpg": b"x"}
    secure_site.redirects = {"b.jpg": f"{site.url}/a.jpg", "c.jpg": f"{secure_site.url}/a.jpg"}
    assert read(images, f"{secure_site.url}/b.jpg".encode())[0] is Status.UNREADABLE
    assert read(images, f"{secure_site.url}/c.jpg".encode())[0] == b"x"
    assert site.requests == []


@pytest.mark.parametrize(
    ("address", "local", "line"),
    [
        ("{secure}/a.jpg", False, "local address.*HANGTAG_LOCAL_ADDRESSES=1"),
        ("{plain}/a.jpg", False, "local address.*HANGTAG_LOCAL_ADDRESSES=1"),
        ("http://192.0.2.1/a.jpg", True, "without encryption only this machine.*https://"),
        ("https://169.254.169.254/a.jpg", True, "gives away credentials"),
        ("https://no-such-host.invalid/a.jpg", True, "no such host"),
    ],
)
def test_what_may_not_be_reached_ends_a_job_that_reaches_nothing_else(
    secure_site: ImageSite,
    site: ImageSite,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    local: bool,
    line: str,
) -> None:
    monkeypatch.setenv("HANGTAG_LOCAL_ADDRESSES", str(int(local)))
    name = address.format(secure=secure_site.url, plain=site.url).encode()
    with (
        closing(opened()) as images,
        pytest.raises(
            SetupError, match=f"{line}.*run the same command again; a started job resumes, "
        ),
    ):
        read(images, name)
    assert site.requests == secure_site.requests == []


def test_a_certificate_that_is_not_trusted_ends_the_job_in_one_line(
    tmp_path: Path, images: WebSource
) -> None:
    authority, _ = authority_file(tmp_path)
    with image_site(authority) as site, pytest.raises(SetupError, match="not trusted"):
        read(images, f"{site.url}/a.jpg".encode())
    assert site.requests == []


def test_a_server_that_fails_while_others_answer_costs_rows(
    site: ImageSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_source, "ATTEMPTS", 2)
    site.files = {f"{n}.jpg": b"%d" % n for n in range(20)}
    dead = [b"https://localhost:1/%d.jpg" % n for n in range(3)]
    # Another name of the same machine: that of a server is not its port.
    good = [name.replace(b"localhost", b"127.0.0.1") for name in names(site)]
    mixed = [*dead, *good, b"https://no-such-host.invalid/a.jpg"]
    unreadable = Status.UNREADABLE
    with closing(opened(*mixed)) as images:
        contents = read_all(images, mixed)
    assert contents == [*[unreadable] * 3, *site.files.values(), unreadable]


def test_a_pause_that_a_server_asks_for_is_kept(site: ImageSite, images: WebSource) -> None:
    site.files = {"a.jpg": b"x"}
    times = []

    def busy_first(line: str, number: int) -> Fault:
        times.append(time.monotonic())
        busy = Fault(status=429, retry_after="1")
        return busy if number == 0 else Fault(delay_s=0.5)  # which is no silence

    with fault_proxy(site.port, busy_first) as proxy:
        assert read(images, f"{proxy.url}/a.jpg".encode())[0] == b"x"
    assert len(times) == 2
    assert times[1] - times[0] >= 1


def test_a_server_that_asks_for_too_long_a_pause_is_not_asked_again(
    site: ImageSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_source, "ATTEMPTS", 2)
    monkeypatch.setattr(web_client, "RETRY_AFTER_MAX_S", 0.5)
    with fault_proxy(site.port, lambda *_: Fault(status=429, retry_after="1")) as proxy:
        url = f"{proxy.url}/a.jpg".encode()
        with closing(opened(url)) as images, pytest.raises(SetupError, match=r"jpg: answers 429; "):
            read(images, url)
    assert len(proxy.requests) == 1


@pytest.mark.parametrize(("remembered", "attempts"), [(1000, 3 + 3 + 1 + 1), (1, 4 * 3)])
def test_a_server_that_is_remembered_as_silent_gets_one_attempt_for_each_image(
    site: ImageSite,
    images: WebSource,
    monkeypatch: pytest.MonkeyPatch,
    remembered: int,
    attempts: int,
) -> None:
    monkeypatch.setattr(web_source, "ATTEMPTS", 3)
    monkeypatch.setattr(web_source, "SILENT_MAX", remembered)
    monkeypatch.setattr(web_source, "RECENT_S", 60.0)
    site.files = {"good.jpg": b"x"}
    with fault_proxy(site.port, lambda line, _: Fault(drops="dead" in line)) as proxy:
        assert read(images, f"{proxy.url}/good.jpg".encode())[0] == b"x"
        for host in ("localhost", "127.1") * 2:
            dead = f"http://{host}:{proxy.port}/dead.jpg".encode()
            assert read(images, dead)[0] is Status.UNREADABLE
    assert sorted(proxy.requests) == ["GET /dead.jpg"] * attempts + ["GET /good.jpg"]


def test_the_search_for_a_server_that_answers_has_an_end(
    site: ImageSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_source, "ATTEMPTS", 1)
    monkeypatch.setattr(web_source, "SEARCH_S", -1.0)
    site.files = {"a.jpg": b"x"}
    dead = b"https://localhost:1/a.jpg"
    with closing(opened(dead, *names(site))) as images, pytest.raises(SetupError):
        read(images, dead)
    assert site.requests == []


@pytest.mark.parametrize("why", ["Connection refused", "names cannot be resolved now"])
def test_the_line_on_a_server_without_a_connection_says_why(
    images: WebSource, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def unresolved(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "again")

    monkeypatch.setattr(web_source, "ATTEMPTS", 1)
    if why.startswith("names"):
        monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with pytest.raises(SetupError, match=f"jpg: {why}; "):
        read(images, b"https://localhost:1/a.jpg")


def test_a_client_that_was_closed_reads_nothing(site: ImageSite) -> None:
    client = web_client.WebClient(local=True)
    client.close()
    with pytest.raises(Closed):
        client.get(parsed_address(f"{site.url}/a.jpg".encode()), lambda _: None, {}, attempts=1)
    assert site.requests == []


HUGE = (b"1" * 20, b"9" * 19, b"1" + b"0" * 400, b"1" * 5000)


@pytest.mark.parametrize(
    "answer",
    [
        *(b"503 Busy\r\nRetry-After: %s\r\nContent-Length: 0" % number for number in HUGE),
        b"503 Busy\r\nRetry-After: Mon, 01 Jan %s 00:00:00 GMT\r\nContent-Length: 0" % HUGE[0],
        b"503 Busy\r\nRetry-After: Mon, 01 Jan 2026 00:00:00 +%s\r\nContent-Length: 0" % HUGE[0],
        *(b"200 OK\r\nContent-Length: %s" % number for number in HUGE),
        *(
            b"206 Part\r\nContent-Range: bytes 0-0/%s\r\nContent-Length: 0" % number
            for number in HUGE
        ),
    ],
)
def test_numbers_in_headers_beyond_any_file_cost_a_row_or_end_the_job_in_one_line(
    answer: bytes, images: WebSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_source, "ATTEMPTS", 1)
    with raw_site(b"HTTP/1.1 %s\r\n\r\n" % answer) as url:
        for stamp_of in (lambda: read(images, url)[1], lambda: images.stamp(url)):
            assert line_or_stored(stamp_of).isprintable()


def line_or_stored(stamp_of: Callable[[], Stamp]) -> str:
    """The error that ends the job; empty for a stamp, which can be stored."""
    try:
        stamp = stamp_of()
    except SetupError as error:
        return str(error)
    assert STAMP.unpack(STAMP.pack(*stamp)) == stamp
    return ""


@pytest.mark.parametrize(
    ("answer", "query", "status"),
    [
        (b"404 Not Found\r\nContent-Length: 1000\r\n\r\ncut off", b"", Status.MISSING),
        (b"404 Not Found\r\n\r\n" + bytes(1 << 18), b"", Status.MISSING),
        (b"404 Not Found\r\n\r\nIt has expired", b"?SECRETxyz", Status.MISSING),
        (b"403 Forbidden\r\n\r\nIt has expired", b"", Status.UNREADABLE),
        (b"416 Range Not Satisfiable\r\n\r\nsorry", b"", Status.UNREADABLE),
    ],
    ids=["cut off", "long", "missing", "unsigned", "no range"],
)
def test_an_answer_that_refuses_is_a_row_although_its_text_is_odd(
    images: WebSource, monkeypatch: pytest.MonkeyPatch, answer: bytes, query: bytes, status: Status
) -> None:
    monkeypatch.setattr(checked_network, "ANSWER_MAX_BYTES", 1 << 17)
    with raw_site(b"HTTP/1.1 " + answer) as url:
        assert read(images, url + query)[0] is status


def test_a_server_that_sends_enough_may_take_longer_than_one_wait(
    images: WebSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_source, "ATTEMPTS", 3)
    monkeypatch.setattr(web_client, "TIMEOUT_S", 0.5)
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 5020\r\n\r\n" + bytes(5000)
    with raw_site(start, drips=True) as url:
        assert read(images, url)[0] == bytes(5000) + b"x" * 20


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_sends_a_byte_now_and_then_is_as_good_as_silent(
    images: WebSource, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(web_source, "ATTEMPTS", 1)
    monkeypatch.setattr(web_client, "TIMEOUT_S", 0.3)
    with raw_site(start, drips=True) as url, pytest.raises(SetupError, match="too slow"):
        read(images, url)


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 4_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"1;" + b"x" * 10_000 + b"\r\nx\r\n") * 10,
    ],
    ids=["preliminary answers", "chunks of almost nothing"],
)
def test_an_answer_without_end_is_a_row_that_fails(
    images: WebSource, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(web_source, "ATTEMPTS", 1)
    monkeypatch.setattr(checked_network, "ANSWER_MAX_BYTES", 1 << 16)
    with raw_site(start) as url:
        assert read(images, url)[0] is Status.UNREADABLE


def test_a_signature_that_has_expired_ends_the_job_in_one_line_without_it(
    site: ImageSite, tmp_path: Path
) -> None:
    site.files, site.expired = {"a.jpg": b"x"}, SECRET
    with (
        listed(tmp_path, names(site, f"?{SECRET}")) as (images, named),
        pytest.raises(SetupError, match=r"has expired.*sign.*same lines.*resumes") as error,
    ):
        read(images, named[0])
    assert "SECRET" not in str(error.value)


def test_a_password_that_has_expired_ends_the_job(images: WebSource) -> None:
    pieces = b"Transfer-Encoding: chunked\r\n\r\n3\r\nexp\r\n4\r\nired\r\n0\r\n\r\n"
    with (
        raw_site(b"HTTP/1.1 403 Forbidden\r\n" + pieces) as url,
        pytest.raises(SetupError, match="has expired"),
    ):
        read(images, url.replace(b"//", b"//user:SECRETxyz@"))


def test_a_log_of_everything_has_neither_signatures_nor_passwords(
    site: ImageSite, images: WebSource, caplog: pytest.LogCaptureFixture
) -> None:
    """As of a program that sets the root logger to DEBUG."""
    site.files, site.secret = {"a.jpg": b"x"}, SECRET
    site.redirects = {"b.jpg": f"{site.url}/a.jpg?{SECRET}", "no.jpg": f"https://[?{SECRET}"}
    signed = [f"{site.url}/{path}?{SECRET}" for path in ("a.jpg", "b.jpg", "no.jpg", "gone.jpg")]
    signed.append(f"{site.url}/a.jpg".replace("//", "//user:SECRETxyz@"))
    with caplog.at_level(logging.DEBUG):
        contents = read_all(images, [address.encode() for address in signed])
        httpcore.request("GET", f"{site.url}/gone.jpg")  # of the program itself
    assert contents[:3] == [b"x", b"x", Status.UNREADABLE]
    assert "SECRET" not in caplog.text
    assert "receive_response_headers.complete" in caplog.text
