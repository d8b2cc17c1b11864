"""Objects of a real S3 server, behind a proxy that lets requests fail."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from producer.job.job_options import JobOptions
from producer.run.classify import check_not_empty
from producer.sources.job_sources import JobSources, Walk, as_started
from producer.sources.remote import s3_client
from producer.sources.remote.requests_ahead import Read
from producer.sources.remote.s3_client import Credentials as S3Credentials
from producer.sources.remote.s3_client import signature
from producer.sources.remote.s3_source import S3Source
from producer.table.verify import verify
from shared.errors import NoCredentials, SetupError, UsageError
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import NO_STAMP, Stamp
from shared.stop import unstoppable
from tests.support.jobs.finished_job import finish, options_of
from tests.support.servers.fault_proxy import Fault, FaultProxy
from tests.support.servers.image_site import ImageSite, image_site
from tests.support.servers.raw_site import raw_site
from tests.support.servers.s3_server import KEY_ID, SECRET, Bucket

#: Of the shared server.
PAGE_KEYS = 20
#: So that a fault of each request costs a second.
QUICK = 3


def opened(typed: str = "") -> S3Source:
    options = JobOptions((typed.encode(),), b"/", "/out.csv", glob="*")
    return S3Source(typed.encode(), options, unstoppable())


@pytest.fixture
def objects(s3_proxy: FaultProxy) -> Iterator[S3Source]:
    with closing(opened()) as objects:
        yield objects


def listed(address: str, after: bytes = b"") -> dict[bytes, Stamp]:
    """The names and stamps of the objects below an address."""
    with closing(opened(address)) as objects, closing(JobSources(objects.options)) as sources:
        return dict(objects.stamps(after, Walk(sources)))


def keys(bucket: Bucket, prefix: str = "", after: str = "") -> list[str]:
    start = f"{bucket.url}/{after}".encode() if after else b""
    names = listed(f"{bucket.url}/{prefix}", start)
    return [name.decode().removeprefix(f"{bucket.url}/") for name in names]


def read_all(objects: S3Source, bucket: Bucket, names: list[str]) -> list[Read]:
    full = [f"{bucket.url}/{name}".encode() for name in names]
    read = []
    for number, name in enumerate(full):
        objects.announce(full[number : number + 64])
        read.append(objects.read(name, MAX_FILE_BYTES))
    return read


def test_keys_come_in_byte_order_below_a_prefix_and_after_a_key(
    objects: S3Source, bucket: Bucket
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
    assert keys(bucket) == sorted(named, key=str.encode)
    below = [key for key in sorted(named, key=str.encode) if key.startswith("a/")]
    assert keys(bucket, "a") == below
    for number, key in enumerate(below):
        assert keys(bucket, "a/", after=key) == below[number + 1 :]
    assert [content for content, _ in read_all(objects, bucket, named)] == [
        k.encode() for k in named
    ]


def test_the_stamps_of_a_listing_are_those_of_the_objects_and_change_with_them(
    objects: S3Source, bucket: Bucket
) -> None:
    bucket.put({"a.jpg": b"one", "b.jpg": b"two"})
    stamps = listed(f"{bucket.url}/")
    for name, stamp in stamps.items():
        assert objects.read(name, MAX_FILE_BYTES)[1] == objects.stamp(name) == stamp
    bucket.put({"a.jpg": b"six"})  # of the same size
    name = f"{bucket.url}/a.jpg".encode()
    assert objects.read(name, MAX_FILE_BYTES)[1] != stamps[name]
    bucket.delete("b.jpg")
    gone = f"{bucket.url}/b.jpg".encode()
    assert objects.read(gone, MAX_FILE_BYTES) == (Status.MISSING, NO_STAMP)
    assert objects.stamp(gone) == NO_STAMP


def test_an_object_that_changes_while_its_body_is_cut_is_the_new_one(
    objects: S3Source, bucket: Bucket, s3_proxy: FaultProxy
) -> None:
    bucket.put({"a.jpg": os.urandom(2000), "b.jpg": b"good"})

    asked = count()

    def changing(line: str, _: int) -> Fault:
        if "b.jpg" in line:
            return Fault()
        if number := next(asked):
            bucket.put({"a.jpg": b"%04d" % number * 500})
        return Fault(keeps_bytes=100) if number < 2 else Fault()

    s3_proxy.faults = changing
    (first, stamp), (second, _) = read_all(objects, bucket, ["a.jpg", "b.jpg"])
    s3_proxy.faults = lambda *_: Fault()
    assert second == b"good"
    assert first == b"0002" * 500
    assert stamp == objects.stamp(f"{bucket.url}/a.jpg".encode())


def test_an_object_whose_body_is_cut_each_time_is_a_row(
    bucket: Bucket, s3_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "ATTEMPTS", QUICK)
    bucket.put({"a.jpg": os.urandom(2000), "b.jpg": b"good"})
    s3_proxy.faults = lambda line, _: Fault(keeps_bytes=0) if "a.jpg" in line else Fault()
    with closing(opened()) as objects:
        read = read_all(objects, bucket, ["a.jpg", "b.jpg"])
    assert [content for content, _ in read] == [Status.UNREADABLE, b"good"]


def test_a_last_page_that_fails_is_listed_again(
    objects: S3Source, bucket: Bucket, s3_proxy: FaultProxy
) -> None:
    files = {f"{n:04}.jpg": b"x" for n in range(2 * PAGE_KEYS + 1)}
    bucket.put(files)
    pages = 0

    def last_fails(line: str, number: int) -> Fault:
        nonlocal pages
        pages += 1
        return Fault(keeps_bytes=300) if pages in (3, 4) else Fault()

    s3_proxy.faults = last_fails
    assert keys(bucket) == list(files)
    assert pages > 4


def test_an_object_that_may_not_be_read_is_a_row(
    objects: S3Source, bucket: Bucket, s3_proxy: FaultProxy
) -> None:
    bucket.put({"a.jpg": b"x", "b.jpg": b"y"})
    s3_proxy.faults = lambda line, number: (
        Fault(status=403, code="AccessDenied") if "a.jpg" in line else Fault()
    )
    read = read_all(objects, bucket, ["a.jpg", "b.jpg"])
    assert [content for content, _ in read] == [Status.UNREADABLE, b"y"]


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (Fault(status=503, code="SlowDown"), r"answers 503 SlowDown \(on purpose\)"),
        (Fault(drops=True), r"cannot be reached \(its answers end early\)"),
        (Fault(status=401), r"answers 401 \(on purpose\)"),
        (Fault(status=404, code="NoSuchBucket"), r"answers 404 NoSuchBucket \(on purpose\)"),
        (Fault(status=301, code="PermanentRedirect"), "answers 301 PermanentRedirect.*AWS_REGION"),
    ],
)
def test_a_server_that_does_not_recover_ends_the_job_in_one_line(
    bucket: Bucket,
    s3_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    line: str,
) -> None:
    monkeypatch.setattr(s3_client, "ATTEMPTS", QUICK)
    objects = opened()
    s3_proxy.faults = lambda *_: fault
    with pytest.raises(SetupError, match=f"{bucket.url}: .*{line}.* same command again$") as error:
        read_all(objects, bucket, ["a.jpg"])
    assert "\n" not in str(error.value)
    objects.close()


def test_a_server_that_does_not_answer_before_work_starts_is_asked_five_times(
    bucket: Bucket, s3_proxy: FaultProxy
) -> None:
    asked: list[str] = []

    def drops(line: str, _: int) -> Fault:
        asked.append(line)
        return Fault(drops=True)

    s3_proxy.faults = drops
    with (
        closing(opened(f"{bucket.url}/")) as objects,
        pytest.raises(SetupError, match="cannot be reached"),
    ):
        objects.check(True)
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("s3://", "name a bucket and a prefix"),
        ("s3://a:b/", "name a bucket and a prefix|a query or a password"),
        ("S3://bucket/photos/", "S3://bucket/photos/: write it as s3://bucket/photos/$"),
    ],
)
def test_an_argument_that_names_no_bucket_is_refused_without_a_request(
    s3_proxy: FaultProxy, typed: str, line: str
) -> None:
    with closing(opened(typed)) as source, pytest.raises(UsageError, match=line):
        source.check(True)
    assert s3_proxy.requests == []


def test_an_object_of_a_list_whose_address_may_have_a_secret_is_a_row(
    bucket: Bucket, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    bucket.put({"a@2x.jpg": b"x"})
    s3_proxy.faults = lambda line, _: Fault(status=403 * ("/b%402x" in line))
    lines = [
        f"{bucket.url}/a@2x.jpg",
        f"{bucket.url}/b@2x.jpg",
        "s3://KEY:SECRETxyz@bucket/a.jpg",
        "s3://no-such-bucket/a@2x.jpg",
    ]
    (tmp_path / "list").write_text("\n".join(lines))
    options = JobOptions((), b"/", "/out.csv", list_file=bytes(tmp_path / "list"))
    with closing(S3Source(b"", options, unstoppable())) as source:
        read = [
            source.read(source.row_name(line.encode(), n), MAX_FILE_BYTES)[0]
            for n, line in enumerate(lines)
        ]
    assert read == [b"x", Status.UNREADABLE, Status.MISSING, Status.MISSING]
    assert not any("SECRET" in line for line in s3_proxy.requests)


def test_a_single_object_is_read_of_a_bucket_that_may_not_be_listed(
    bucket: Bucket, s3_proxy: FaultProxy
) -> None:
    bucket.put({"a.jpg": b"x"})
    s3_proxy.faults = lambda line, _: Fault(status=403 * ("list-type" in line))
    name = f"{bucket.url}/a.jpg".encode()
    with closing(opened(name.decode())) as source:
        source.check(True)
        assert source.read(name, MAX_FILE_BYTES)[0] == b"x"
    assert list(listed(name.decode())) == [name]


@pytest.mark.parametrize("is_list", [False, True])
@pytest.mark.parametrize("step", [1, -1])
def test_each_image_of_a_job_is_read_from_its_own_server(
    bucket: Bucket,
    s3_proxy: FaultProxy,
    site: ImageSite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_list: bool,
    step: int,
) -> None:
    monkeypatch.setenv("HANGTAG_LOCAL_ADDRESSES", "1")
    paths = [f"{bucket.url}/a.jpg", f"{site.url}/b.jpg", str(tmp_path / "c.jpg")][::step]
    bucket.put({"a.jpg": b"a"})
    site.files = {"b.jpg": b"b"}
    (tmp_path / "c.jpg").write_bytes(b"c")
    (tmp_path / "list").write_text("\n".join(paths))
    names = [path.encode() for path in paths]
    if is_list:
        options = JobOptions((), b"/", "/out.csv", list_file=bytes(tmp_path / "list"))
    else:
        options = JobOptions(tuple(names), b"/", "/out.csv")
    with closing(JobSources(as_started(options))) as sources:
        read = [sources.source_of(name).read(name, MAX_FILE_BYTES)[0] for name in names]
    assert read == [b"a", b"b", b"c"][::step]


def test_keys_that_are_no_paths_are_listed_and_read(objects: S3Source, bucket: Bucket) -> None:
    odd = ["/a.jpg", "a/../b.jpg", "a/./c.jpg", "a//b.jpg", "b+c d.jpg"]
    bucket.put({key: key.encode() for key in odd})
    assert keys(bucket) == odd
    assert [content for content, _ in read_all(objects, bucket, odd)] == [k.encode() for k in odd]


def test_a_public_bucket_needs_no_credentials(
    s3_proxy: FaultProxy, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put_public("a.jpg", b"x")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    objects = opened()
    assert keys(bucket) == ["a.jpg"]
    assert read_all(objects, bucket, ["a.jpg"])[0][0] == b"x"
    objects.close()


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


@pytest.mark.parametrize("others", [False, True])
def test_a_prefix_without_objects_is_named_as_one(
    bucket: Bucket, s3_proxy: FaultProxy, others: bool
) -> None:
    bucket.put({"a/1.png": b"x", "b/1.txt" if others else "c/1.txt": b"x"})
    why = "no file has an image's ending" if others else "there is no object below"
    options = as_started(JobOptions((f"{bucket.url}/b/".encode(),), b"/", "/out.csv"))
    with (
        closing(JobSources(options)) as sources,
        pytest.raises(UsageError, match=why),
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


def test_a_server_leads_a_signed_request_nowhere(
    s3_proxy: FaultProxy, site: ImageSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    with image_site() as other:
        site.redirects = {"bucket/a.jpg": f"{other.url}/a.jpg", "bucket": f"{other.url}/bucket"}
        monkeypatch.setenv("AWS_ENDPOINT_URL", site.url)
        with closing(opened("s3://bucket/")) as source:
            read = partial(source.read, b"s3://bucket/a.jpg", MAX_FILE_BYTES)
            for act in (read, partial(source.check, True)):
                with pytest.raises(SetupError, match=r"^s3://bucket: its server answers 302; "):
                    act()
        assert len(site.requests) == 2
        assert other.requests == []


def test_no_request_goes_to_a_service_that_gives_away_credentials(
    s3_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://169.254.169.254")
    with (
        closing(opened()) as objects,
        pytest.raises(SetupError, match=r"cannot be reached.*gives away credentials"),
    ):
        objects.read(b"s3://bucket/a.jpg", MAX_FILE_BYTES)


def page(*keys: str, more: str = "") -> bytes:
    """A page of a listing, which `more` follows."""
    text = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
    if more:
        text += "<IsTruncated>true</IsTruncated>"
        text += f"<NextContinuationToken>{more}</NextContinuationToken>"
    return f"<List>{text}</List>".encode()


HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/xml\r\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (page("a", more="x"), "does not end"),
        (page(more="x"), "does not end"),
        (page("b", "a"), r"does not list its keys in byte order \(at 'a'\)"),
        (page("a" * 1025), "no server of S3 has"),
        (b"<List><EncodingType>url</EncodingType>" + page("a%00b")[6:], "no server of S3 has"),
        (b"<a>" * (5 << 20), "a page of its listing has more than 4,194,304 bytes"),
        (b"<html>", "another text than a listing"),
        (page("a").decode().encode("utf-16"), "another text than a listing"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + page("a"), "another text than a listing"),
    ],
)
def test_a_listing_that_is_none_or_does_not_end_ends_in_one_line(
    s3_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, text: bytes, line: str
) -> None:
    with raw_site(HEAD + b"Content-Length: %d\r\n\r\n" % len(text) + text) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address.decode().removesuffix("/a.jpg"))
        with pytest.raises(SetupError, match=f"^s3://bucket cannot be listed: .*{line}"):
            listed("s3://bucket/")


def test_a_listing_may_end_with_the_key_that_it_is_to_start_after(
    s3_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = page("a")
    with raw_site(HEAD + b"Content-Length: %d\r\n\r\n" % len(text) + text) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address.decode().removesuffix("/a.jpg"))
        assert listed("s3://bucket/", b"s3://bucket/a") == {}


def test_a_refusal_is_one_harmless_line_without_secrets(
    s3_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRETxyz")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "TOKENxyz")
    said = b"\x1b[2J\nyou sent SECRETxyz and TOKENxyz" + b"!" * 2000
    text = b"<Error><Code>InvalidToken</Code><Message>" + said + b"</Message></Error>"
    head = HEAD.replace(b"200 OK", b"400 Bad Request")
    with raw_site(head + b"Content-Length: %d\r\n\r\n" % len(text) + text) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address.decode().removesuffix("/a.jpg"))
        with closing(opened()) as objects, pytest.raises(SetupError) as error:
            objects.read(b"s3://bucket/a.jpg", MAX_FILE_BYTES)
    line = str(error.value)
    assert line.startswith("s3://bucket: its server answers 400 InvalidToken (")
    assert line.isprintable()
    assert len(line) < 600
    assert "xyz" not in line


def test_credentials_of_a_container_are_found(
    bucket: Bucket, s3_proxy: FaultProxy, site: ImageSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put({"a.jpg": b"x"})
    given = {"AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "Token": "t"}
    site.files = {"role": json.dumps(given | {"Expiration": "2999-01-01T00:00:00Z"}).encode()}
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{site.url}/role")
    with closing(opened()) as objects:
        assert read_all(objects, bucket, ["a.jpg"])[0][0] == b"x"
    assert site.requests == ["GET /role"]


@pytest.mark.parametrize("left", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", ""])
def test_without_credentials_one_line_says_what_to_set(
    s3_proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    for name in {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} - {left}:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with (
        closing(opened()) as objects,
        pytest.raises(NoCredentials, match=r"AWS_SECRET_ACCESS_KEY.*AWS_SKIP_SIGNATURE"),
    ):
        objects.read(b"s3://bucket/a.jpg", MAX_FILE_BYTES)
    assert s3_proxy.requests == []


def test_credentials_that_cannot_be_renewed_end_a_command_in_one_line(
    s3_proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(
        "[profile work]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
        "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://sso.example\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for profile in ("work", "no-such"):
        monkeypatch.setenv("AWS_PROFILE", profile)
        with (
            closing(opened()) as objects,
            pytest.raises(NoCredentials, match="AWS_PROFILE"),
        ):
            objects.read(b"s3://bucket/a.jpg", MAX_FILE_BYTES)
    assert s3_proxy.requests == []


@pytest.mark.parametrize("token", ["", "a-token"])
def test_a_request_is_signed_as_by_amazons_own_library(token: str) -> None:
    url = "https://s3.eu-west-1.amazonaws.com/b/a%20%C3%BC%2B~.jpg?list-type=2&prefix=x%2Fy%20"
    request = AWSRequest("GET", url)
    signer = S3SigV4Auth(Credentials("key", "secret", token or None), "s3", "eu-west-1")
    request.context["payload_signing_enabled"] = True
    signer.add_auth(request)
    theirs = {name.lower(): value for name, value in request.headers.items()}
    parts = urlsplit(url)
    ours = signature(
        S3Credentials("key", "secret", token), "eu-west-1", "GET", parts.netloc, parts.path,
        parts.query, theirs["x-amz-date"],
    )  # fmt: skip
    assert ours == theirs
