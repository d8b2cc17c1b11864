"""The row of an address is named without its secrets, and found again by its line."""

from __future__ import annotations

import os
import random
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.job.job_options import STDIN, JobOptions
from producer.sources.folder_walk import LocalSource
from producer.sources.job_sources import as_started
from producer.sources.remote.address import (
    check_argument,
    has_secret,
    line_of,
    parsed_address,
    recorded_line,
    row_name_of,
    shown_address,
    without_line,
)
from producer.sources.remote.remote_source import ListedAddresses
from producer.sources.remote.s3_client import server_address
from producer.sources.source import address_of_path, path_of_address
from shared.errors import SetupError, UsageError
from shared.stop import unstoppable

SECRET = b"SECRETxyz"
#: Where a secret may stand: SECRET has no parts, and is among other characters.
FORMS = (
    b"https://host/%s?k=%s", b"https://u:%s%s@host/", b"https://%s@%s?%s", b"http://%s%s%s@host/x",
    b"http://u:8443/%s%s@host/x", b"s3://KEY:%s%s@bucket/k", b"s3://%s%s%s@bucket/k",
    b"S3://bucket/k?%s%s",
)  # fmt: skip
NAMES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (b"https://host/a.jpg", b"https://host/a.jpg"),
        (b"https://host/a.jpg#part", b"https://host/a.jpg"),
        (b"https://host:444/a b.jpg?SECRETxyz", b"https://host:444/a b.jpg#8"),
        (b"https://host/a.jpg?x=1#SECRETxyz", b"https://host/a.jpg#8"),
        (b"https://user:SECRETxyz@host/a.jpg", b"https://host/a.jpg#8"),
        (b"https://us@er:SECRETxyz@host/a.jpg", b"https://host/a.jpg#8"),
        (b"HTTPS://host?SECRETxyz", b"HTTPS://host#8"),
        (b"https://[::1]:8/a?SECRETxyz", b"https://[::1]:8/a#8"),
        (b"https://SECRETxyz@", b"https://#8"),
        (b"http://bob:8443/SECRETxyz@host/x", b"http://#8"),
        (b"https://bob:12?SECRETxyz@host/x", b"https://#8"),
        (b"https://bob:12#SECRETxyz@host/x", b"https://#8"),
        (b"https://bob/SECRETxyz/@host/x", b"https://#8"),
        (b"https://bob:SECRETxyz/x", b"https://#8"),
        (b"s3://bucket/a#1.jpg", b"s3://bucket/a#1.jpg"),
        (b"s3://bucket/a.jpg?SECRETxyz", b"s3://#8"),
        (b"S3://key:SECRETxyz@bucket/a.jpg", b"S3://#8"),
        (b"s3://key:SECR/ETxyz@bucket/a.jpg", b"s3://#8"),
        (b"s3://key:SECRETxyz/a.jpg", b"s3://#8"),
        (b"photos/a.jpg?x", b"photos/a.jpg?x"),
        (b"photos/a@b.jpg#7", b"photos/a@b.jpg#7"),
    ],
)
def test_a_row_is_named_without_secrets_and_with_its_line(typed: bytes, name: bytes) -> None:
    assert row_name_of(typed, 7) == name
    assert line_of(name) == (7 if has_secret(typed) and name != typed else None)
    assert SECRET not in recorded_line(typed)
    assert row_name_of(recorded_line(typed), 7) == name  # a stored list has the same rows


def test_an_object_whose_key_ends_like_a_line_is_no_line() -> None:
    assert line_of(b"s3://bucket/a#7") is None


def test_a_list_that_was_signed_again_has_the_same_rows() -> None:
    assert row_name_of(b"https://host/a.jpg?sig=1", 3) == row_name_of(
        b"https://host/a.jpg?sig=2", 3
    )
    assert row_name_of(b"https://host/a.jpg?sig=1", 3) != row_name_of(
        b"https://host/a.jpg?sig=1", 4
    )


@given(
    st.binary(max_size=20) | st.text("/?#@:%1", max_size=6).map(str.encode), st.sampled_from(FORMS)
)
def test_no_name_no_stored_line_and_no_sentence_has_a_part_of_a_user_or_of_a_query(
    noise: bytes, form: bytes
) -> None:
    typed = form.replace(b"%s", noise, form.count(b"%s") - 1).replace(b"%s", SECRET)
    assert SECRET not in row_name_of(typed, 1)
    assert SECRET not in recorded_line(typed)
    if not has_secret(typed):
        assert b"#" in noise, "a fragment is no part of a request"
        return
    with pytest.raises(UsageError) as refused:
        check_argument(typed)
    assert SECRET.decode() not in str(refused.value)


def test_a_request_has_what_was_typed() -> None:
    address = parsed_address(
        "https://us%40er:pass@bücher.example:444/ä b%20c.jpg?sig=a+b/=#x".encode()
    )
    assert address.host == b"xn--bcher-kva.example"
    assert address.port == 444
    assert address.target == b"/%C3%A4%20b%20c.jpg?sig=a+b/="
    assert address.user == b"us@er:pass"
    assert address.netloc == b"xn--bcher-kva.example:444"


@pytest.mark.parametrize(
    "typed", [b"https://", b"https://host:0/", b"https://host:99999/", b"https:///a"]
)
def test_what_is_no_address_is_refused(typed: bytes) -> None:
    with pytest.raises(ValueError, match=r"host|port"):
        parsed_address(typed)


@pytest.mark.parametrize("typed", [b"https://host/a?SECRETxyz", b"https://u:SECRETxyz@host/a"])
def test_an_address_with_a_secret_is_refused_as_an_argument_without_its_secret(
    typed: bytes,
) -> None:
    with pytest.raises(UsageError, match="--list") as refused:
        check_argument(typed)
    assert SECRET.decode() not in str(refused.value)
    check_argument(b"https://host/a")


def test_the_line_is_no_part_of_the_address() -> None:
    assert without_line(b"https://host/a.jpg#12") == b"https://host/a.jpg"
    assert without_line(b"s3://#12") == b"s3://"
    assert without_line(b"s3://bucket/a#12") == b"s3://bucket/a#12"
    assert without_line(b"photos/a.jpg#12") == b"photos/a.jpg#12"


@pytest.mark.parametrize(
    "address",
    [
        b"s3://bucket/a/b.jpg",
        b"https://host:8/a//b/../c%20d/./e.jpg#7",
        b"https://host/",
        b"https://host/%/%2E/%25",
    ],
)
def test_a_plain_path_stands_for_an_address(address: bytes) -> None:
    path = path_of_address(address)
    assert os.path.normpath(path) == path
    assert address_of_path(path) == address
    assert address_of_path(b"/home/me/s3:/a.jpg") == b""
    assert address_of_path(b"/photos: 2/a.jpg") == b""


@pytest.mark.parametrize("secret", [b"u:p@", b"u:p/w@", b"u:p?w@", b"u:p#w@"])
def test_an_address_that_is_refused_is_named_without_its_password(secret: bytes) -> None:
    assert shown_address(b"s3://u:p/w") == "s3://"
    shown = shown_address(b"ftp://" + secret + b"host/a.jpg?sig=s")
    assert not any(part in shown for part in ("u:", "p@", "w@", "sig"))
    assert shown_address(b"ftp://u:p@host/a.jpg?sig=s") == "ftp://host/a.jpg"


@pytest.mark.parametrize(("list0", "end"), [(False, b"\n"), (False, b"\r\n"), (True, b"\0")])
@pytest.mark.parametrize("has_end", [True, False])
def test_any_address_is_found_by_its_line(
    list0: bool, end: bytes, has_end: bool, tmp_path: Path
) -> None:
    count = 30_000  # of more than a block
    lines = [b"https://h/%d.png?s=%s" % (n, b"x" * (n % 97)) for n in range(count)]
    lines[3] = b""  # an empty line has a number, too
    (tmp_path / "list").write_bytes(end.join(lines) + end * has_end)
    options = JobOptions((), b"/", "", list_file=bytes(tmp_path / "list"), list0=list0)
    addresses = ListedAddresses(LocalSource(options, unstoppable()))
    for n in [0, 1, 2, count - 1, *random.Random(1).sample(range(4, count), 60)]:
        assert addresses.address_of(row_name_of(lines[n], n)) == lines[n]
    assert sorted(addresses.web_addresses()) == sorted(filter(None, lines))
    for n in (2, 3, count):  # another line, an empty one, and none
        with pytest.raises(SetupError, match=f"its line {n + 1} is another address"):
            addresses.address_of(row_name_of(lines[7], n))
    addresses.close()


def test_a_piped_list_has_its_secrets_once_it_is_given_again(tmp_path: Path) -> None:
    line = b"https://host/a.jpg?SECRETxyz"
    (tmp_path / "list").write_bytes(line)
    source = LocalSource(JobOptions((), b"/", "/out.csv", list_file=STDIN), unstoppable())
    with closing(ListedAddresses(source)) as addresses:
        with pytest.raises(SetupError, match="not stored; give the list again"):
            addresses.address_of(row_name_of(line, 0))
        with (tmp_path / "list").open("rb") as source.listed:
            assert addresses.address_of(row_name_of(line, 0)) == line


def test_a_list_is_read_once_for_all_threads(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"https://h/a.png?SECRETxyz")
    options = JobOptions((), b"/", "", list_file=bytes(tmp_path / "list"))
    read = 0

    class Listed(LocalSource):
        @property
        def listed(self) -> None:  # type: ignore[override]
            nonlocal read
            read += 1
            if read == 1:
                other.start()
                other.join(0.5)

    with closing(ListedAddresses(Listed(options, unstoppable()))) as addresses:
        other = threading.Thread(target=addresses.address_of, args=(b"https://h/a.png#1",))
        addresses.address_of(b"https://h/a.png#1")
        other.join()
    assert read == 1


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, "AWS_ALLOW_HTTP"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:9000", "https://", "https://host:port", "https://host:0", "https://a b", "x://a",
     "https://host:9000\nmore", "https://host/?a", "https://h\u00f6st", "https://[::1"],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    monkeypatch.setenv(name, address)
    with pytest.raises(SetupError) as error:
        server_address("eu-west-1")
    assert str(error.value).startswith(name)
    assert "\n" not in str(error.value)


def test_an_address_without_encryption_needs_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    with pytest.raises(SetupError, match="AWS_ALLOW_HTTP=true"):
        server_address("eu-west-1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "True")
    server_address("eu-west-1")


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("", b"s3.eu-west-1.amazonaws.com"),
        ("https://s3.example.org", b"s3.example.org"),
        ("https://user:secret@[::1]:9000/path", b"[::1]:9000"),
    ],
)
def test_an_address_is_taken(monkeypatch: pytest.MonkeyPatch, address: str, host: bytes) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", address)
    assert server_address("eu-west-1").netloc == host


@pytest.mark.parametrize(
    ("root", "archives"),
    [(b"s3://bucket/a.zip", False), (b"s3://bucket/A.TGZ", False), (b"s3://bucket/a/", True)],
)
def test_archives_at_an_address_are_refused(root: bytes, archives: bool) -> None:
    with pytest.raises(UsageError, match="archives are not opened at an address; copy them"):
        as_started(JobOptions((root,), b"/", "out.csv", archives=archives))


def test_buckets_beside_archives_on_this_machine_are_sources(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"")
    roots = (b"s3://bucket/a", os.fsencode(tmp_path / "a.zip"))
    started = as_started(JobOptions(roots, b"/", "out.csv"))
    assert started.kinds == ("s3", "archive")
