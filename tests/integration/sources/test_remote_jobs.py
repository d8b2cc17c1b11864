"""Whole jobs over buckets and web addresses: the table of the folder, whatever fails on the way."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from producer.job.job_options import JobOptions
from producer.sorting import undo
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from shared.errors import Exit
from shared.image_status import Status
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.processes.fleet import SHORT_TIMES, Fleet, wait_for
from tests.support.processes.in_process import run
from tests.support.servers.fault_proxy import (
    Fault,
    FaultProxy,
    Faults,
    fault_proxy,
    some_fail,
)
from tests.support.servers.image_site import ImageSite
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.s3_server import Bucket, S3Server

IMAGES = 30
#: The largest batch, and the images that a server sends that becomes silent: more than that.
BATCH, SENT = 10, 12
#: A client waits 30 s for a reply: a command that ends sooner did not wait.
SOON_S = 5.0
FAULTS = (
    Fault(drops=True),
    Fault(delay_s=0.05),
    Fault(keeps_bytes=100),
    Fault(status=503, code="SlowDown"),
    Fault(status=429),
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), IMAGES)


@pytest.fixture(scope="module")
def contents(images: Gallery) -> dict[str, bytes]:
    return {path: (images.cwd / path).read_bytes() for path in images.paths}


@pytest.fixture(scope="module")
def fleet(server_binary: Path) -> Iterator[Fleet]:
    settings = {
        **SHORT_TIMES,
        "HANGTAG_LOCAL_ADDRESSES": "1",
        "HANGTAG_LOG_JSON": "1",
        "HANGTAG_BATCH_IMAGES": str(BATCH),
    }
    with RedisServer(server_binary) as server, Fleet(server, **settings) as running:
        running.worker()
        yield running


@pytest.fixture(scope="module")
def full_bucket(s3: S3Server, contents: dict[str, bytes]) -> Bucket:
    """For tests that change nothing in it."""
    return s3.bucket("pictures-of-all").put(contents)


@pytest.fixture
def own_bucket(bucket: Bucket, contents: dict[str, bytes]) -> Bucket:
    return bucket.put(contents)


@pytest.fixture
def full_site(site: ImageSite, contents: dict[str, bytes]) -> ImageSite:
    site.files = dict(contents)
    return site


def silent_later(images: Gallery) -> Faults:
    """Of more than the first images a job gets nothing."""
    later = [path.rpartition("/")[2] for path in images.paths[SENT:]]
    return lambda line, number: Fault(is_silent=any(name in line for name in later))


def check_table(output: Path, images: Gallery, prefix: str) -> None:
    """Check that a table is that of the folder, with other names."""
    heading, *rows = images.table.decode().splitlines()
    named = [f"{prefix}/{row}" for row in rows]
    assert output.read_text().splitlines() == [heading, *named]


def test_a_bucket_gives_the_table_of_its_folder_through_a_server_that_fails(
    fleet: Fleet, images: Gallery, full_bucket: Bucket, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    s3_proxy.faults = some_fail(0.2, *FAULTS)
    done = run(fleet, "classify", f"{full_bucket.url}/{FOLDER}", "-o", "out.csv", cwd=tmp_path)
    assert done.code == Exit.OK, done.story
    check_table(tmp_path / "out.csv", images, full_bucket.url)
    assert len(s3_proxy.requests) > IMAGES
    before = len(s3_proxy.requests)
    proven = run(fleet, "verify", "out.csv", cwd=tmp_path)
    assert proven.code == Exit.OK, proven.story
    assert len(s3_proxy.requests) - before < IMAGES // 2  # by listings, and not by each object


def test_a_list_of_addresses_gives_the_table_of_the_folder_through_a_server_that_fails(
    fleet: Fleet, images: Gallery, full_site: ImageSite, tmp_path: Path
) -> None:
    with fault_proxy(full_site.port, some_fail(0.2, *FAULTS)) as proxy:
        lines = "".join(f"{proxy.url}/{path}\n" for path in images.paths)
        (tmp_path / "list.txt").write_text(lines)
        done = run(fleet, "classify", "--list", "list.txt", "-o", "out.csv", cwd=tmp_path)
        assert done.code == Exit.OK, done.story
        check_table(tmp_path / "out.csv", images, proxy.url)
        proven = run(fleet, "verify", "--deep", "out.csv", cwd=tmp_path)
        assert proven.code == Exit.OK, proven.story


@pytest.mark.parametrize("kind", ["bucket", pytest.param("list", marks=pytest.mark.nightly)])
def test_a_killed_producer_and_worker_lose_and_double_nothing(
    fleet: Fleet,
    images: Gallery,
    full_bucket: Bucket,
    s3_proxy: FaultProxy,
    full_site: ImageSite,
    tmp_path: Path,
    kind: str,
) -> None:
    s3_proxy.faults = silent_later(images)
    with fault_proxy(full_site.port, silent_later(images)) as proxy:
        (tmp_path / "list.txt").write_text("".join(f"{proxy.url}/{p}\n" for p in images.paths))
        what = (full_bucket.url,) if kind == "bucket" else ("--list", "list.txt")
        arguments = ("classify", *what, "-o", "out.csv")
        worker = fleet.worker(1)
        producer = fleet.producer(*arguments, cwd=tmp_path)
        producer.wait_until_done(1)
        producer.kill()
        worker.kill()
        view = producer.view
        assert view is not None
        assert view.done <= SENT
        s3_proxy.faults = proxy.faults = lambda *_: Fault()
        s3_proxy.requests.clear()
        proxy.requests.clear()
        done = run(fleet, *arguments, cwd=tmp_path)
        assert done.code == Exit.OK, done.story
        check_table(
            tmp_path / "out.csv", images, full_bucket.url if kind == "bucket" else proxy.url
        )
        lines = (*s3_proxy.requests, *proxy.requests)
        asked = [line for line in lines if "?" not in line]  # listings have parameters
        assert len(asked) <= IMAGES - view.done  # what has a result is not read again


@pytest.mark.parametrize("kind", ["bucket", "list"])
def test_what_vanishes_is_a_row_and_is_retried_when_it_is_back(
    fleet: Fleet,
    images: Gallery,
    full_bucket: Bucket,
    s3_proxy: FaultProxy,
    full_site: ImageSite,
    tmp_path: Path,
    kind: str,
) -> None:
    gone = next(path for path in images.paths if path.endswith("00005.png"))
    is_bucket = kind == "bucket"
    (tmp_path / "list.txt").write_text("".join(f"{full_site.url}/{p}\n" for p in images.paths))
    what = (full_bucket.url,) if is_bucket else ("--list", "list.txt")
    missing = Fault(status=404, code="NoSuchKey")
    if is_bucket:  # it is there when it is listed
        s3_proxy.faults = lambda line, _: missing if "00005.png" in line else Fault()
    content = full_site.files.pop(gone)
    done = run(fleet, "classify", *what, "-o", "out.csv", cwd=tmp_path)
    assert done.code == Exit.SOME_FAILED, done.story
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert [line for line in lines if ",missing," in line] == [
        line for line in lines if gone in line
    ]
    assert len(lines) == IMAGES + 1
    s3_proxy.faults = lambda *_: Fault()
    full_site.files[gone] = content
    assert "exists now" in run(fleet, "verify", "out.csv", cwd=tmp_path).out
    done = run(fleet, "classify", *what, "-o", "out.csv", "--retry-failed", cwd=tmp_path)
    assert done.code == Exit.OK, done.story
    check_table(tmp_path / "out.csv", images, full_bucket.url if is_bucket else full_site.url)
    assert run(fleet, "verify", "out.csv", cwd=tmp_path).code == Exit.OK


def test_verify_names_objects_that_changed_vanished_and_came(
    fleet: Fleet, images: Gallery, own_bucket: Bucket, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    arguments = ("classify", own_bucket.url, "-o", "out.csv")
    assert run(fleet, *arguments, cwd=tmp_path).code == Exit.OK
    changed, vanished, *_ = images.paths
    own_bucket.put({changed: b"another", f"{FOLDER}/new.png": b"new"})
    own_bucket.delete(vanished)
    proof = run(fleet, "verify", "out.csv", cwd=tmp_path)
    assert proof.code == Exit.NOT_PROVEN
    for path, problem in (
        (changed, "has another size or time"),
        (vanished, "was removed"),
        (f"{FOLDER}/new.png", "has no row"),
    ):
        assert any(path in line and problem in line for line in proof.out.splitlines()), proof.out
    again = run(fleet, *arguments, cwd=tmp_path)
    assert "1 file has appeared" in again.log


def test_credentials_that_expire_stop_a_job_that_resumes(
    fleet: Fleet, images: Gallery, full_bucket: Bucket, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    expired = Fault(status=403, code="ExpiredToken")
    s3_proxy.faults = lambda line, number: expired if number > IMAGES // 2 else Fault()
    arguments = ("classify", full_bucket.url, "-o", "out.csv")
    done = run(fleet, *arguments, cwd=tmp_path)
    assert done.code == Exit.SETUP, done.story
    assert "answers 403 ExpiredToken (on purpose); check" in done.log.splitlines()[-1]
    s3_proxy.faults = lambda *_: Fault()
    done = run(fleet, *arguments, cwd=tmp_path)
    assert done.code == Exit.OK, done.story
    check_table(tmp_path / "out.csv", images, full_bucket.url)


def test_an_object_that_changes_before_it_is_sent_again_is_a_row(
    images: Gallery, own_bucket: Bucket, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    options = JobOptions((own_bucket.url.encode(),), bytes(tmp_path), str(tmp_path / "out.csv"))
    same, changed, vanished, *_ = (f"{own_bucket.url}/{path}".encode() for path in images.paths)
    with closing(JobSources(options)) as sources:
        stamps = {
            name: sources.source_of(name).read(name, 1 << 20)[1]
            for name in (same, changed, vanished)
        }
        own_bucket.put({images.paths[1]: b"another"})
        own_bucket.delete(images.paths[2])
        again = [RowFiles(sources).unchanged(name, stamp) for name, stamp in stamps.items()]
    assert isinstance(again[0], bytes)
    assert again[1:] == [Status.CHANGED, Status.MISSING]


def test_a_background_job_has_no_secret_in_its_log_or_its_title(
    fleet: Fleet, images: Gallery, full_site: ImageSite, tmp_path: Path
) -> None:
    with fault_proxy(full_site.port, some_fail(1.0, Fault(delay_s=0.02))) as proxy:
        listed = signed(full_site, images, SECRET).replace(full_site.url, proxy.url)
        lists = tmp_path.parent / f"{tmp_path.name}-lists"
        lists.mkdir()
        (lists / "list.txt").write_text(listed)
        arguments = ("--list", str(lists / "list.txt"), "-o", "out.csv")
        submitted = run(fleet, "classify", "--detach", *arguments, cwd=tmp_path)
        assert submitted.code == Exit.OK, submitted.story
        seen = everything(fleet, tmp_path)
        collected = run(fleet, "classify", "out.csv", cwd=tmp_path)
    assert collected.code == Exit.OK, collected.story
    for data in (seen, everything(fleet, tmp_path), collected.log.encode()):
        assert SECRET.encode() not in data
    assert b"\0classify\0" in seen  # the title of the producer was there


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("https://host/a.jpg?sig=SECRETxyz", "ps displays arguments.*--list"),
        ("https://user:SECRETxyz@host/a.jpg", "ps displays arguments.*--list"),
        ("gs://bucket/photos", "is an address.*copy them into a folder"),
        ("az://container/photos", "is an address"),
        ("s3://", "name a bucket and a prefix"),
        ("S3://key:SECRETxyz@bucket/photos/", "a query or a password"),
        ("S3://bucket/photos/", "S3://bucket/photos/: .* s3://bucket/photos/$"),
        ("s3://no-such-bucket/photos/", "answers 404 NoSuchBucket .*; check the bucket"),
        ("https://169.254.169.254/x.jpg", "its host gives away credentials.*same command again"),
        ("s3://bucket/x.zip", "archives are not opened at an address; copy them into a folder"),
    ],
)
def test_an_address_that_is_not_read_is_refused_in_one_line(
    fleet: Fleet, s3_proxy: FaultProxy, tmp_path: Path, argument: str, line: str
) -> None:
    done = run(fleet, "classify", argument, "-o", "out.csv", cwd=tmp_path)
    assert done.code in (Exit.USAGE, Exit.SETUP), done.story
    (last,) = done.log.splitlines()
    assert re.search(line, last), last
    assert "SECRET" not in last
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["listing", "web"])
def test_ctrl_c_ends_a_wait_for_a_silent_server_at_once(
    fleet: Fleet,
    images: Gallery,
    full_bucket: Bucket,
    s3_proxy: FaultProxy,
    full_site: ImageSite,
    tmp_path: Path,
    kind: str,
) -> None:
    def silent(line: str, number: int) -> Fault:
        waits = kind == "listing" or line.endswith("00007.png")
        return Fault(is_silent=waits)

    s3_proxy.faults = silent
    with fault_proxy(full_site.port, silent) as proxy:
        (tmp_path / "list.txt").write_text("".join(f"{proxy.url}/{p}\n" for p in images.paths))
        what = ("--list", "list.txt") if kind == "web" else (full_bucket.url,)
        producer = fleet.producer("classify", *what, "-o", "out.csv", cwd=tmp_path)
        asked = proxy if kind == "web" else s3_proxy
        wait_for("a request that waits", asked.silent.is_set)
        time.sleep(0.2)  # until the producer waits for nothing else
        assert producer.running, producer.story
        since = time.monotonic()
        assert producer.interrupt() == Exit.INTERRUPTED, producer.story
        seconds = time.monotonic() - since
    print(f"ended after {seconds:.3f} s")
    assert seconds < SOON_S
    assert "Traceback" not in producer.log


SECRET = "SECRETxyz"


def signed(site: ImageSite, images: Gallery, secret: str) -> str:
    """A list of signed addresses, from now on the only ones."""
    site.secret = f"signature={secret}"
    return "".join(f"{site.url}/{path}?{site.secret}\n" for path in images.paths)


def check_signed_table(output: Path, images: Gallery, url: str) -> None:
    """Check that each row is named without the query, by its line in the list."""
    expected = [
        row.replace(path, f"{url}/{path}#{number}")
        for number, (path, row) in enumerate(
            zip(images.paths, images.table.decode().splitlines()[1:], strict=True), 1
        )
    ]
    assert output.read_text().splitlines()[1:] == expected


@pytest.fixture
def secret_proxy(full_site: ImageSite, images: Gallery) -> Iterator[FaultProxy]:
    """A proxy before the web server that becomes silent."""
    with fault_proxy(full_site.port, silent_later(images)) as proxy:
        yield proxy


@pytest.mark.parametrize("way", ["file", "pipe"])
def test_a_list_that_is_signed_again_resumes_and_its_secrets_are_nowhere(
    fleet: Fleet,
    images: Gallery,
    full_site: ImageSite,
    secret_proxy: FaultProxy,
    tmp_path: Path,
    way: str,
) -> None:
    listed = tmp_path.parent / f"{tmp_path.name}-list.txt"
    arguments = ["classify", "--list", str(listed) if way == "file" else "-", "-o", "out.csv"]
    text = signed(full_site, images, SECRET).replace(full_site.url, secret_proxy.url)
    listed.write_text(text)
    producer = fleet.producer(*arguments, cwd=tmp_path, stdin=text if way == "pipe" else None)
    producer.wait_until_done(1)
    seen = [everything(fleet, tmp_path, producer.pid)]
    producer.kill()
    seen.append(everything(fleet, tmp_path))
    later = signed(full_site, images, SECRET[::-1]).replace(full_site.url, secret_proxy.url)
    full_site.expired = f"signature={SECRET}"
    secret_proxy.faults = lambda *_: Fault()
    if way == "pipe":
        done = run(fleet, *arguments, cwd=tmp_path)
        assert done.code == Exit.SETUP, done.story
        assert "not stored; give the list again" in done.log
    done = run(fleet, *arguments, cwd=tmp_path, stdin=text)  # in a file the old one, too
    assert done.code == Exit.SETUP, done.story
    assert "has expired" in done.log
    seen.append((done.out + done.log).encode())
    listed.write_text(later)
    done = run(fleet, *arguments, "--json", cwd=tmp_path, stdin=later)
    assert done.code == Exit.OK, done.story
    check_signed_table(tmp_path / "out.csv", images, secret_proxy.url)
    proof = run(fleet, "verify", "out.csv", cwd=tmp_path)
    if way == "file":
        assert proof.code == Exit.OK, proof.story
        report = run(fleet, "report", "out.csv", "-o", "report.html", cwd=tmp_path)
        assert report.code == Exit.OK, report.story
        seen.append((report.out + report.log).encode())
    else:  # one line, and no file is said to be missing
        assert proof.code == Exit.NOT_PROVEN, proof.story
        assert len([line for line in proof.out.splitlines() if "not stored" in line]) == 1
        assert "removed" not in proof.out
    seen += [(proof.out + proof.log + done.out + done.log).encode(), everything(fleet, tmp_path)]
    seen += [process.log.encode() + process.out.encode() for process in fleet.processes]
    for data in seen:
        assert SECRET.encode() not in data
        assert SECRET[::-1].encode() not in data
    assert any(b"Ankle boot" in data for data in seen)


def everything(fleet: Fleet, folder: Path, *pids: int) -> bytes:
    """All that a job has left: files, keys and values of the server, and titles of processes."""
    client = fleet.client
    client.config_set("rdbcompression", "no")
    keys = list(client.scan_iter())
    found = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    found += [key + (client.dump(key) or b"") for key in keys]
    for pid in (*pids, *fleet.pids):
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes())
    return b"\n".join(found)


@pytest.mark.parametrize("kind", ["bucket", "list"])
def test_images_are_copied_out_and_what_moves_files_is_refused_in_one_line(
    fleet: Fleet,
    images: Gallery,
    own_bucket: Bucket,
    s3_proxy: FaultProxy,
    full_site: ImageSite,
    contents: dict[str, bytes],
    tmp_path: Path,
    kind: str,
) -> None:
    (tmp_path / "list.txt").write_text(signed(full_site, images, SECRET))
    what = (own_bucket.url,) if kind == "bucket" else ("--list", "list.txt")
    done = run(fleet, "classify", *what, "-o", "out.csv", cwd=tmp_path)
    assert done.code == Exit.OK, done.story
    moved = run(fleet, "sort", "out.csv", "--into", "sorted", "--move", cwd=tmp_path)
    assert moved.code == Exit.USAGE, moved.story
    assert len(moved.log.splitlines()) == 1
    full_site.files[images.paths[0]] = b"another"
    own_bucket.put({images.paths[0]: b"another"})
    copied = run(fleet, "sort", "out.csv", "--into", "sorted", "--copy", cwd=tmp_path)
    assert copied.code == Exit.SOME_FAILED, copied.story  # one has changed
    found = sorted(path for path in (tmp_path / "sorted").rglob("*.png"))
    assert len(found) == IMAGES - 1
    assert {path.name for path in found} == {Path(path).name for path in images.paths[1:]}
    by_name = {Path(path).name: content for path, content in contents.items()}
    assert all(path.read_bytes() == by_name[path.name] for path in found)
    again = run(fleet, "sort", "out.csv", "--into", "sorted", "--copy", cwd=tmp_path)
    assert again.code == Exit.SOME_FAILED, again.story
    assert sorted((tmp_path / "sorted").rglob("*.png")) == found  # each once
    undone = run(fleet, "sort", "--undo", "sorted", cwd=tmp_path)
    left = list((tmp_path / "sorted").rglob("*.png"))
    if kind == "bucket":
        assert undone.code == Exit.OK, undone.story
        assert not left
    else:  # it cannot be shown that a signed address still has the image
        assert undone.code == Exit.SOME_FAILED, undone.story
        assert len(left) == len(found)
        assert undo.LIST_UNREAD in undone.log
        assert undo.SOURCE_GONE not in undone.log


@pytest.mark.parametrize(
    "command",
    [("dataset", "check", "{}"), ("train", "--data", "{}"), ("dataset", "show", "--data", "{}")],
)
def test_what_reads_class_folders_refuses_an_address_in_one_line(
    fleet: Fleet, tmp_path: Path, command: tuple[str, ...]
) -> None:
    for address in ("s3://bucket/photos", "https://host/a.jpg"):
        done = run(fleet, *(word.format(address) for word in command), cwd=tmp_path)
        assert done.code in (Exit.USAGE, Exit.SETUP), done.story
        (line,) = done.log.splitlines()
        print(line)
        assert address in line
        assert "folder" in line
