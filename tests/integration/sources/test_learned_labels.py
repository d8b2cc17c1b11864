"""Labels that a version has learned are corrections of its tables wherever the images are: in an
archive, at addresses of a web server, in a bucket."""

from __future__ import annotations

import csv
import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from shared.errors import Exit
from shared.labels.submitted_lines import encode_lines
from shared.registry import learned_lines, mirror_writer, packaged
from shared.registry.registry import Registry
from tests.support.images import gallery
from tests.support.jobs.decided import line_of, lines_of
from tests.support.processes.fleet import SHORT_TIMES, Fleet
from tests.support.processes.in_process import run
from tests.support.servers.image_site import ImageSite
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.s3_server import S3Server

IMAGES, LABELLED = 12, 3
LABEL, BY, AT = "Dress", "ada", "2026-11-29T06:01:53.237+00:00"


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    images = gallery.make(tmp_path_factory.mktemp("few"), IMAGES)
    return {path: (images.cwd / path).read_bytes() for path in images.paths}


@pytest.fixture(scope="module")
def fleet(
    server_binary: Path, tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes]
) -> Iterator[Fleet]:
    """A worker, and a version of the packaged network that has learned labels of some images."""
    settings = {**SHORT_TIMES, "HANGTAG_LOCAL_ADDRESSES": "1"}
    with RedisServer(server_binary) as server, Fleet(server, **settings) as running:
        registry = Registry(tmp_path_factory.mktemp("store"))
        publish(registry, list(contents.values())[:LABELLED])
        mirror_writer.publish(server.client, registry)
        running.worker()
        yield running


def publish(registry: Registry, labelled: list[bytes]) -> None:
    known = [line_of(data, LABEL, by=BY, at=AT) for data in labelled]
    files = {name: packaged.read(name) for name in packaged.card().files}
    files[learned_lines.FILE] = encode_lines(known)
    card = msgspec.structs.replace(packaged.card(), name="mine", version=0)
    registry.publish(card, files, who="tester")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("kind", ["archive", "list", "bucket"])
def test_labels_of_a_version_are_found_by_size_and_crc_in_archives_and_at_addresses(
    fleet: Fleet,
    contents: dict[str, bytes],
    site: ImageSite,
    s3: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    moved = {f"moved/{number:02}.png": data for number, data in enumerate(contents.values())}
    given: tuple[str, ...] = ()
    if kind == "archive":
        with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
            for name, data in moved.items():
                archive.writestr(name, data)
        given = ("photos.zip",)
    elif kind == "list":
        site.files = moved
        (tmp_path / "list.txt").write_text("".join(f"{site.url}/{name}\n" for name in moved))
        given = ("--list", "list.txt")
    else:
        for name, value in s3.environ().items():
            monkeypatch.setenv(name, value)
        given = (f"{s3.bucket('labelled').put(moved).url}/moved/",)
    done = run(fleet, "classify", *given, "--model", "mine", "-o", "out.csv", cwd=tmp_path)
    assert done.code == Exit.OK, done.story
    assert f"{LABELLED} labels that people gave are corrections of out.csv" in done.story
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = {row["path"].rpartition("moved/")[2]: row for row in csv.DictReader(file)}
    people = {name: row["label"] for name, row in rows.items() if row["source"] == "person"}
    assert people == {f"{number:02}.png": LABEL for number in range(LABELLED)}
    lines = lines_of(tmp_path / "out.csv")
    assert {(line.sha256, line.by, line.at) for line in lines} == {
        (sha256(data), BY, AT) for data in list(contents.values())[:LABELLED]
    }
    proven = run(fleet, "verify", "out.csv", cwd=tmp_path)
    assert proven.code == Exit.OK, proven.story
