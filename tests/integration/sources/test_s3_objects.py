"""Objects of a real S3 server, behind a proxy that lets requests fail."""

from __future__ import annotations

import html
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from PIL import Image

from producer.inputs.job_options import JobOptions
from producer.jobs.background_jobs import collect
from producer.jobs.empty_job import check_not_empty
from producer.jobs.watch import watch
from producer.present.events import Events
from producer.report.report import write_report
from producer.sources.job_sources import JobSources, as_started
from producer.sources.remote.requests_ahead import Read
from producer.sources.remote.s3_objects import S3Objects
from producer.verify.verify import verify
from shared.errors import NoCredentials, SetupError, Stopped, UsageError
from shared.image_status import Status
from shared.messages.files import NO_STAMP
from shared.settings import Settings
from shared.stop import Stop
from tests.support.images.encoders import save
from tests.support.jobs.finished_job import finish, options_of
from tests.support.servers.fault_proxy import Fault, FaultProxy, some_fail
from tests.support.servers.image_site import ImageSite, authority_file, image_site
from tests.support.servers.s3_server import Bucket, S3Server

#: A client waits 30 s for a reply: work that ends sooner did not wait.
SOON_S = 5.0
#: Of the shared server.
PAGE_KEYS = 20
QUICK = {"max_retries": 2, "retry_timeout": timedelta(seconds=5)}


@pytest.fixture
def objects(s3_proxy: FaultProxy) -> Iterator[S3Objects]:
    objects = S3Objects()
    yield objects
    objects.close()


def keys(objects: S3Objects, bucket: Bucket, prefix: str = "", after: str = "") -> list[str]:
    start = f"{bucket.url}/{after}".encode() if after else b""
    names = (name for name, _ in objects.entries(f"{bucket.url}/{prefix}".encode(), start))
    return [name.decode().removeprefix(f"{bucket.url}/") for name in names]


def read_all(objects: S3Objects, bucket: Bucket, names: list[str]) -> list[Read]:
    full = [f"{bucket.url}/{name}".encode() for name in names]
    read = []
    for number, name in enumerate(full):
        objects.announce(full[number : number + 64])
        read.append(objects.read(name))
    return read


def test_keys_come_in_byte_order_below_a_prefix_and_after_a_key(
    objects: S3Objects, bucket: Bucket
) -> None:
    named = [
        "a.jpg",
        "a/1.jpg",
        "a/2 b%20c.jpg",
        "a/Z.jpg",
        "a/b/[{}]^`<>&\"'.jpg",
        "a/ü#?.jpg",
        "b.jpg",
    ]
    bucket.put(dict.fromkeys(["a/mark-of-a-folder/"], b""))
    bucket.put({key: key.encode() for key in named})
    assert keys(objects, bucket) == sorted(named, key=str.encode)
    below = [key for key in sorted(named, key=str.encode) if key.startswith("a/")]
    assert keys(objects, bucket, "a") == below
    for number, key in enumerate(below):
        assert keys(objects, bucket, "a/", after=key) == below[number + 1 :]
    assert [content for content, _ in read_all(objects, bucket, named)] == [
        k.encode() for k in named
    ]


def test_the_stamps_of_a_listing_are_those_of_the_objects_and_change_with_them(
    objects: S3Objects, bucket: Bucket
) -> None:
    bucket.put({"a.jpg": b"one", "b.jpg": b"two"})
    listed = dict(objects.entries(f"{bucket.url}/".encode()))
    for name, stamp in listed.items():
        assert objects.read(name)[1] == objects.head(name)[1] == stamp
    bucket.put({"a.jpg": b"six"})  # of the same size
    name = f"{bucket.url}/a.jpg".encode()
    assert objects.read(name)[1] != listed[name]
    bucket.delete("b.jpg")
    gone = f"{bucket.url}/b.jpg".encode()
    assert objects.read(gone) == (Status.MISSING, NO_STAMP)
    assert objects.head(gone) == (Status.MISSING, NO_STAMP)


def test_an_object_above_the_limit_and_one_of_an_undecoded_kind_are_rows_with_a_reason(
    s3_proxy: FaultProxy, bucket: Bucket
) -> None:
    bucket.put({"large.jpg": bytes(101), "raw.nef": b"II*\0", "small.jpg": bytes(100)})
    objects = S3Objects(max_bytes=100)
    read = read_all(objects, bucket, ["large.jpg", "raw.nef", "small.jpg"])
    assert [content for content, _ in read] == [Status.TOO_LARGE, Status.UNSUPPORTED, bytes(100)]
    objects.close()


def test_dropped_delayed_truncated_and_throttled_requests_lose_nothing(
    objects: S3Objects, bucket: Bucket, s3_proxy: FaultProxy
) -> None:
    files = {f"{n:03}.jpg": os.urandom(2000) for n in range(150)}
    bucket.put(files)
    s3_proxy.faults = some_fail(
        0.2,
        Fault(drops=True),
        Fault(delay_s=0.05),
        Fault(keeps_bytes=100),
        Fault(status=503, code="SlowDown"),
        Fault(status=429),
    )
    assert keys(objects, bucket) == list(files)
    assert [content for content, _ in read_all(objects, bucket, list(files))] == [*files.values()]
    assert len(s3_proxy.requests) > len(files) + 10


@pytest.mark.parametrize("cuts", [1, 1000])
def test_an_object_that_changes_while_its_body_is_cut_is_the_new_one_or_a_row(
    objects: S3Objects, bucket: Bucket, s3_proxy: FaultProxy, cuts: int
) -> None:
    bucket.put({"a.jpg": os.urandom(2000), "b.jpg": b"good"})

    asked = count()

    def changing(line: str, _: int) -> Fault:
        if "b.jpg" in line:
            return Fault()
        if number := next(asked):  # the library asks for the rest of the first one
            bucket.put({"a.jpg": b"%04d" % number * 500})
        return Fault(keeps_bytes=100) if number < cuts else Fault()

    s3_proxy.faults = changing
    (first, stamp), (second, _) = read_all(objects, bucket, ["a.jpg", "b.jpg"])
    s3_proxy.faults = lambda *_: Fault()
    assert second == b"good"
    if cuts > 1:
        assert (first, stamp) == (Status.CHANGED, NO_STAMP)
    else:
        assert isinstance(first, bytes)
        assert first == first[:4] * 500
        assert stamp == objects.head(f"{bucket.url}/a.jpg".encode())[1]


def test_an_object_whose_body_is_cut_each_time_is_a_row(
    bucket: Bucket, s3_proxy: FaultProxy
) -> None:
    bucket.put({"a.jpg": os.urandom(2000), "b.jpg": b"good"})
    s3_proxy.faults = lambda line, _: Fault(keeps_bytes=0) if "a.jpg" in line else Fault()
    with closing(S3Objects(retry_config=QUICK)) as objects:
        read = read_all(objects, bucket, ["a.jpg", "b.jpg"])
    assert [content for content, _ in read] == [Status.UNREADABLE, b"good"]


def test_a_last_page_that_fails_is_listed_again(
    objects: S3Objects, bucket: Bucket, s3_proxy: FaultProxy
) -> None:
    files = {f"{n:04}.jpg": b"x" for n in range(2 * PAGE_KEYS + 1)}
    bucket.put(files)
    pages = 0

    def last_fails(line: str, number: int) -> Fault:
        nonlocal pages
        pages += 1
        return Fault(keeps_bytes=300) if pages in (3, 4) else Fault()

    s3_proxy.faults = last_fails
    assert keys(objects, bucket) == list(files)
    assert pages > 4


@pytest.mark.parametrize("status", [400, 403])
def test_credentials_that_expire_end_the_job_in_one_line(
    objects: S3Objects, bucket: Bucket, s3_proxy: FaultProxy, status: int
) -> None:
    bucket.put({"a.jpg": b"x"})
    s3_proxy.faults = lambda line, number: Fault(status=status, code="ExpiredToken")
    for act in (lambda: keys(objects, bucket), lambda: read_all(objects, bucket, ["a.jpg"])):
        with pytest.raises(SetupError, match=r"credentials have expired.*same command resumes"):
            act()


def test_an_object_that_may_not_be_read_is_a_row(
    objects: S3Objects, bucket: Bucket, s3_proxy: FaultProxy
) -> None:
    bucket.put({"a.jpg": b"x", "b.jpg": b"y"})
    s3_proxy.faults = lambda line, number: (
        Fault(status=403, code="AccessDenied") if "a.jpg" in line else Fault()
    )
    read = read_all(objects, bucket, ["a.jpg", "b.jpg"])
    assert [content for content, _ in read] == [Status.UNREADABLE, b"y"]


def test_a_name_that_is_not_utf_8_is_no_other_object(objects: S3Objects, bucket: Bucket) -> None:
    bucket.put({"\ufffd.jpg": b"another"})
    name = bucket.url.encode() + b"/\xff.jpg"
    assert objects.read(name) == (Status.MISSING, NO_STAMP)
    assert objects.head(name) == (Status.MISSING, NO_STAMP)


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (Fault(status=503, code="SlowDown"), "answers 503 SlowDown after several attempts"),
        (Fault(drops=True), "cannot be reached"),
        (Fault(status=301, code="PermanentRedirect"), "another region.*AWS_REGION"),
    ],
)
def test_a_server_that_does_not_recover_ends_the_job_in_one_line(
    bucket: Bucket, s3_proxy: FaultProxy, fault: Fault, line: str
) -> None:
    objects = S3Objects(retry_config=QUICK)
    s3_proxy.faults = lambda *_: fault
    with pytest.raises(SetupError, match=f"{bucket.url}.*{line}.*same command resumes") as error:
        read_all(objects, bucket, ["a.jpg"])
    assert "\n" not in str(error.value)
    objects.close()


def test_a_bucket_that_is_missing_and_keys_that_cannot_be_read_are_named_in_one_line(
    objects: S3Objects, s3: S3Server, bucket: Bucket
) -> None:
    with pytest.raises(SetupError, match="s3://no-such-bucket: there is no such bucket"):
        list(objects.entries(b"s3://no-such-bucket/"))
    with pytest.raises(SetupError, match="no such bucket"):
        objects.read(b"s3://no-such-bucket/a.jpg")
    bucket.put_as_is("a//b.jpg", b"x")
    with pytest.raises(SetupError, match=r"has the key a//b.jpg, which cannot be read"):
        keys(objects, bucket)


def test_a_public_bucket_needs_no_credentials(
    s3_proxy: FaultProxy, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put_as_is("a.jpg", b"x", is_public=True)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    objects = S3Objects()
    assert keys(objects, bucket) == ["a.jpg"]
    assert read_all(objects, bucket, ["a.jpg"])[0][0] == b"x"
    objects.close()


@pytest.mark.parametrize("what", ["a listing", "an object"])
def test_a_stop_ends_a_wait_for_a_silent_server(
    bucket: Bucket, s3_proxy: FaultProxy, what: str
) -> None:
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Stopped

    s3_proxy.faults = lambda *_: Fault(is_silent=True)
    objects = S3Objects(check=check)
    stopped_at = []

    def request_the_end() -> None:
        s3_proxy.silent.wait()
        stopped_at.append(time.monotonic())
        stop.set()

    threading.Thread(target=request_the_end).start()
    waits: dict[str, Callable[[], object]] = {
        "a listing": lambda: keys(objects, bucket),
        "an object": lambda: read_all(objects, bucket, [f"{n}.jpg" for n in range(40)]),
    }
    with pytest.raises(Stopped):
        waits[what]()
    objects.close()
    seconds = time.monotonic() - stopped_at[0]
    print(f"ended after {seconds:.3f} s")
    assert seconds < SOON_S
    ours = ("request", "objects")
    assert not [thread for thread in threading.enumerate() if thread.name in ours]


def test_a_prefix_within_another_one_is_refused_whatever_stands_between_them(
    bucket: Bucket, s3_proxy: FaultProxy
) -> None:
    bucket.put({"a/1.png": b"x", "a-b/1.png": b"x", "a/b/1.png": b"x"})
    roots = tuple(f"{bucket.url}/{prefix}".encode() for prefix in ("a", "a-b", "a/b"))
    with (
        closing(JobSources(JobOptions(roots, b"/", "/out.csv"))) as sources,
        pytest.raises(UsageError, match=r"/a/b lies within .*/a; name each image once"),
    ):
        sources.check()


def test_a_prefix_without_objects_is_named_as_one(bucket: Bucket, s3_proxy: FaultProxy) -> None:
    bucket.put({"a/1.png": b"x"})
    options = as_started(JobOptions((f"{bucket.url}/b/".encode(),), b"/", "/out.csv"))
    with (
        closing(JobSources(options)) as sources,
        pytest.raises(UsageError, match=f"^there is no object below {bucket.url}/b/; check the"),
    ):
        check_not_empty(sources)


def test_a_proof_without_credentials_is_a_fault_of_the_set_up(
    bucket: Bucket, s3_proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put({"a.png": b"x"})
    finish(options_of(tmp_path, f"{bucket.url}/".encode()))
    assert verify(tmp_path / "out.csv").proven
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(NoCredentials, match="run the same command again"):
        verify(tmp_path / "out.csv")


def test_a_report_without_credentials_says_why_it_has_no_pictures(
    bucket: Bucket, s3_proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = save(Image.new("L", (28, 28), 99), "PNG")
    bucket.put({f"{i}.png": image for i in range(3)})
    finish(options_of(tmp_path, f"{bucket.url}/".encode()))
    shown, stated = tmp_path / "shown.html", tmp_path / "stated.html"
    table = str(tmp_path / "out.csv")
    assert write_report(Settings(), table, shown, quiet=True).notice == ""
    assert shown.read_text().count("<img") >= 3
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    notice = write_report(Settings(), table, stated, quiet=True).notice
    assert "AWS_SECRET_ACCESS_KEY" in notice
    assert "\n" not in notice
    assert notice in html.unescape(stated.read_text())


def stopped_once_silent(proxy: FaultProxy, work: Callable[[Stop], object]) -> float:
    """Work that waits for a silent server is stopped; returns how long it takes to end."""
    proxy.faults = lambda line, number: Fault(is_silent=True)
    stop, stopped_at = Stop(), list[float]()

    def request_the_end() -> None:
        proxy.silent.wait()
        stopped_at.append(time.monotonic())
        stop.request()

    threading.Thread(target=request_the_end).start()
    with pytest.raises(Stopped):
        work(stop)
    return time.monotonic() - stopped_at[0]


def test_a_stop_ends_a_watch_that_waits_for_a_silent_server(
    bucket: Bucket, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    options = JobOptions((f"{bucket.url}/a".encode(),), b"/", str(tmp_path / "out.csv"))

    def work(stop: Stop) -> None:
        watch(options, lambda: pytest.fail("a round"), Events(), stop)

    assert stopped_once_silent(s3_proxy, work) < SOON_S


def test_a_stop_ends_a_collect_that_waits_for_a_silent_server(
    bucket: Bucket, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    bucket.put({"a.png": b"x"})
    finish(options_of(tmp_path, f"{bucket.url}/".encode()))

    def work(stop: Stop) -> None:
        collect(str(tmp_path / "out.csv"), Settings(), stop=stop)

    assert stopped_once_silent(s3_proxy, work) < SOON_S


def test_a_server_with_encryption_leads_to_none_without_it(site: ImageSite, tmp_path: Path) -> None:
    """To which the services of this machine, and those that give away credentials, belong."""
    authority, _ = authority_file(tmp_path)
    site.files = {"a.jpg": b"x"}
    with image_site(authority) as secure:
        secure.redirects = {"bucket/a.jpg": f"{site.url}/a.jpg"}
        store = S3Objects(
            endpoint=secure.url,
            client_options={"allow_invalid_certificates": True},
            retry_config=QUICK | {"max_retries": 0},
            access_key_id="key",
            secret_access_key="secret",
        )
        with closing(store) as objects, pytest.raises(SetupError, match="following redirect"):
            objects.read(b"s3://bucket/a.jpg")
    assert site.requests == []
