"""An archive has the rows of the folder that it was made of."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.sources.archives.archive import ArchiveFile
from producer.sources.archives.tar_archive import BLOCK, BadBlock, parsed_header
from producer.sources.job_sources import Walk
from shared.errors import SetupError, UsageError
from shared.image_status import Status
from shared.messages.files import NO_STAMP
from tests.support.archives.archive_rows import rows_of, sources_of
from tests.support.archives.archive_writers import WRITERS, write
from tests.support.archives.hostile_archives import tarred, zipped

IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 12
OTHER = IMAGE[::-1]
#: Some are rows, others are counted.
FILES = {
    "Bag/1.png": IMAGE,
    "Bag/10.png": IMAGE + b"1",
    "Bag!/1.png": IMAGE + b"2",
    "Bag.jpg": IMAGE + b"3",
    "Bag/.hidden.png": IMAGE,
    ".cache/1.png": IMAGE,
    "notes.txt": b"text",
    "noending": IMAGE + b"4",
    "notext": b"text",
    "raw.jxl": b"\xff\x0a",
    "misnamed.jxl": IMAGE + b"5",
    "empty.jpg": b"",
    "Zubehör/1.PNG": IMAGE + b"6",
}
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
KINDS = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.GNUTYPE_LONGNAME, b"\0")


@pytest.fixture(params=WRITERS)
def ending(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _written(tmp_path: Path, ending: str, files: dict[str, bytes] = FILES) -> Path:
    return write(tmp_path / f"photos{ending}", files)


@pytest.mark.parametrize("glob", ["", "*.png", "Bag/*"])
def test_an_archive_has_the_rows_and_the_skipped_files_of_its_folder(
    ending: str, glob: str, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    found, expected = rows_of(_written(tmp_path, ending), glob), rows_of(folder, glob)
    assert found.contents == expected.contents
    assert found.skipped == expected.skipped
    if ending in (".zip", ".tar"):
        assert found.names == expected.names
    else:
        assert found.names == [name for name in FILES if name in expected.contents]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_hard_links_in_a_tar_are_rows_as_in_its_folder(
    ending: str, form: int, tmp_path: Path
) -> None:
    folder, deep = tmp_path / "photos", "deep/" * 60
    for number in range(3):
        place = folder / deep / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(IMAGE + bytes(number))
        (folder / f"link-{number}.png").hardlink_to(place)
        (folder / f"text-{number}.txt").hardlink_to(place)
    archive, made = tmp_path / f"photos{ending}", io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as tar:
        tar.add(folder, ".")
    archive.write_bytes(gzip.compress(made.getvalue()) if ending == ".tar.gz" else made.getvalue())
    found, expected = rows_of(archive), rows_of(folder)
    assert len(expected.contents) == 6
    assert (found.contents, found.skipped) == (expected.contents, expected.skipped)
    assert [found.stamps[name][0] for name in expected.names] == [
        expected.stamps[name][0] for name in expected.names
    ]
    for name in [*reversed(found.names), *found.names]:
        path = f"{archive}/{name}".encode()
        read = sources_of(archive).source_of(path).read(path, 1 << 20)
        assert read == (found.contents[name], found.stamps[name])
    for after, name in pairwise(found.names):
        assert rows_of(archive, after=after).names[0] == name


def test_a_member_above_the_limit_of_bytes_is_not_read(ending: str, tmp_path: Path) -> None:
    archive = _written(tmp_path, ending)
    path = f"{archive}/Bag/1.png".encode()
    content, stamp = sources_of(archive).source_of(path).read(path, len(IMAGE) - 1)
    assert content is Status.TOO_LARGE
    assert stamp[0] == len(IMAGE)


def test_a_changed_archive_is_noticed(ending: str, tmp_path: Path) -> None:
    files = {"a.png": IMAGE, "b.png": OTHER, "c.png": IMAGE + b"c"}
    archive = _written(tmp_path, ending, files)
    sources = sources_of(archive)
    names = [path for _, path in Walk(sources).paths()]
    before = [sources.source_of(name).read(name, 1 << 20) for name in names]
    assert [content for content, _ in before] == list(files.values())
    os.utime(archive, (1, 1))
    assert [sources.source_of(name).read(name, 1 << 20) for name in names] == before
    write(archive, {"a.png": OTHER, "c.png": IMAGE + b"longer"})
    after = [sources.source_of(name).read(name, 1 << 20) for name in names]
    assert [content for content, _ in after] == [OTHER, Status.MISSING, IMAGE + b"longer"]
    archive.unlink()
    assert sources.source_of(names[0]).read(names[0], 1 << 20) == (Status.MISSING, NO_STAMP)


def test_a_name_of_no_file_in_an_archive_is_missing(ending: str, tmp_path: Path) -> None:
    empty, other = _written(tmp_path, ending, {}), write(tmp_path / f"b{ending}", {"b.png": IMAGE})
    assert rows_of(empty).reports == []
    link = tmp_path / "link.tar"
    link.write_bytes(tarred(("a.png", b""), type=tarfile.SYMTYPE, linkname="b.png"))
    for path in (empty / "a.png", other / "a.png", other / "c.png", link / "a.png"):
        name, source = bytes(path), sources_of(path.parent).argument(0)
        assert source.read(name, 1 << 20) == (Status.MISSING, NO_STAMP)
        assert source.stamp(name) == NO_STAMP


def test_a_tar_that_is_overwritten_while_it_is_walked_is_refused(tmp_path: Path) -> None:
    archive = _written(tmp_path, ".tar")
    paths = Walk(sources_of(archive)).paths()
    next(paths)
    archive.write_bytes(bytes(archive.stat().st_size))
    with pytest.raises(
        SetupError, match=r"photos\.tar cannot be read: it was changed while it was"
    ):
        list(paths)


def test_a_missing_archive_is_one_line(ending: str, tmp_path: Path) -> None:
    archive = _written(tmp_path, ending)
    sources = sources_of(archive)
    archive.unlink()
    with pytest.raises(UsageError, match=r"photos\.\S+: No such file or directory; check the path"):
        sources.argument(0).check(is_new=True)
    with pytest.raises(SetupError, match="a started job resumes"):
        sources.argument(0).check(is_new=False)


@pytest.mark.parametrize("ending", [".png", ""], ids=["named", "known by their first bytes"])
def test_a_compressed_archive_is_unpacked_once(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = Random(1)
    members = {f"{n}{ending}": IMAGE[:8] + draw.randbytes(20_000) for n in range(500)}
    archive = _written(tmp_path, ".tar.gz", members)
    assert 1 <= _times_read(archive, set(members.values()), monkeypatch) < 1.05


def test_a_compressed_archive_of_hard_links_is_unpacked_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where images are known by their first bytes."""
    image, archive = IMAGE[:8] + Random(1).randbytes(50_000), tmp_path / "photos.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for number in range(200):
            info = tarfile.TarInfo(f"{number}")
            if number < 100:
                info.size = len(image)
            else:
                info.type, info.linkname = tarfile.LNKTYPE, f"{number - 100}"
            tar.addfile(info, io.BytesIO(image))
    assert 1 <= _times_read(archive, {image}, monkeypatch) < 2.6


def _times_read(archive: Path, images: set[bytes], monkeypatch: pytest.MonkeyPatch) -> float:
    """How often the bytes of an archive are read for all its rows."""
    read_bytes, read = 0, ArchiveFile.read

    def counted(file: ArchiveFile, count: int, at: int) -> bytes:
        nonlocal read_bytes
        data = read(file, count, at)
        read_bytes += len(data)
        return data

    monkeypatch.setattr(ArchiveFile, "read", counted)
    assert set(rows_of(archive).contents.values()) == images
    return read_bytes / archive.stat().st_size


@pytest.mark.parametrize("stays", [0, 1, 2, 12])
def test_an_archive_that_is_cut_at_a_piece_is_reported(tmp_path: Path, stays: int) -> None:
    whole = tarred(*((f"{number}.png", IMAGE) for number in range(9)))
    there = 3 * 4096  # three members, with their headers
    pieces = gzip.compress(whole[:there]) + gzip.compress(whole[there:])[:stays]
    archive = tmp_path / "photos.tar.gz"
    archive.write_bytes(pieces)
    found = rows_of(archive)
    assert list(found.contents.values()) == [IMAGE] * 3
    assert len(found.reports) == 1


@pytest.mark.parametrize("ahead", [0, 1, 2, 10, 18])
def test_a_compressed_archive_is_read_wherever_its_pieces_start(tmp_path: Path, ahead: int) -> None:
    """Ahead of what is read at a time, for example."""
    tar, archive = tarred(("a.png", IMAGE), ("b.png", OTHER)), tmp_path / "photos.tar.gz"
    first, second = gzip.compress(tar[:4096]), gzip.compress(tar[4096:])
    archive.write_bytes(first.ljust((1 << 17) - ahead, b"\0") + second)
    found = rows_of(archive)
    assert (found.contents, found.reports) == ({"a.png": IMAGE, "b.png": OTHER}, [])


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("length", [99, 100, 101, 155, 240])
def test_a_tar_with_long_names_is_read_in_each_format(
    form: int, length: int, tmp_path: Path
) -> None:
    name = ("folder/" * 99)[: length - 6] + "ä.png"
    archive = tmp_path / "photos.tar"
    archive.write_bytes(tarred(("a.png", IMAGE), (name, OTHER), form=form))
    assert rows_of(archive).contents == {"a.png": IMAGE, name: OTHER}


class _Stream(io.BytesIO):
    """A file that cannot go back, for which a writer puts sizes behind the data."""

    def tell(self) -> int:
        raise io.UnsupportedOperation


def _streamed() -> bytes:
    with zipfile.ZipFile(stream := _Stream(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", IMAGE)
    return stream.getvalue()


def _with_64_bits() -> bytes:
    """As Python writes an archive above its limit, which is 2 GiB."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile, "ZIP64_LIMIT", 9)
        return zipped((".hidden", b"data"), ("a.png", IMAGE))


def _with_ends_in_its_comment() -> bytes:
    """Ends of a directory before the archive, and of none, and bytes that no comment has."""
    before, elsewhere = b"\xff" * 3 + b"\x7f" + bytes(6), b"\4" + bytes(9)
    ends = b"".join(b"PK\5\6" + bytes(8) + numbers for numbers in (before, elsewhere))
    return zipped(("a.png", IMAGE), comment=ends) + b"further bytes"


def _many() -> bytes:
    """More members than the end without 64 bits can count."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.png", IMAGE)
        for number in range(1 << 16):
            archive.writestr(zipfile.ZipInfo(f"{number}.txt"), b"")
    return file.getvalue()


@pytest.mark.parametrize(
    "write",
    [
        _streamed,
        _with_64_bits,
        lambda: b"#!/bin/sh\nunzip $0\n" * 99 + zipped(("a.png", IMAGE)),
        lambda: zipped(("a.png", IMAGE), comment=b"PK\5\6" + bytes(18) + b"PK\5\6"),
        lambda: zipped(("a.png", IMAGE)) + b"further bytes",
        _with_ends_in_its_comment,
        pytest.param(_many, marks=pytest.mark.nightly),
    ],
    ids=["streamed", "64 bits", "unpacks itself", "comment", "tail", "ends", "many"],
)
def test_a_zip_of_any_writer_is_read(write: Callable[[], bytes], tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    archive.write_bytes(write())
    found = rows_of(archive)
    assert found.contents == {"a.png": IMAGE}
    assert found.reports == []


def test_only_files_in_a_zip_are_rows(tmp_path: Path) -> None:
    archive, dos, unix, mac = tmp_path / "photos.zip", 0, 3, 19
    with zipfile.ZipFile(archive, "w") as made:
        for name, system, mode in (
            ("dos.png", dos, stat.S_IFLNK),
            ("file.png", unix, stat.S_IFREG),
            ("folder.png/", unix, 0),
            ("link.png", unix, stat.S_IFLNK),
            ("other-link.png", mac, stat.S_IFLNK),
            ("pipe.png", unix, stat.S_IFIFO),
        ):
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = system, mode << 16
            made.writestr(info, IMAGE)
    found = rows_of(archive)
    assert found.names == ["dos.png", "file.png"]
    assert found.skipped == {"links": 2, "special files": 1}


names = st.text("aé/._ ", min_size=1, max_size=90).filter(lambda name: name.strip("/"))


@given(
    names,
    st.integers(0, 1 << 33),
    st.integers(0, 1 << 32),
    st.sampled_from(KINDS),
    st.sampled_from(FORMATS),
)
def test_each_field_is_that_of_tarfile(
    name: str, size: int, time: int, kind: bytes, form: Literal[0, 1, 2]
) -> None:
    info = tarfile.TarInfo(name.strip("/"))
    info.size, info.mtime, info.type = size % (1 << 33), time, kind
    block = info.tobuf(form, "utf-8")[-BLOCK:]
    expected = tarfile.TarInfo.frombuf(block, "latin-1", "strict")
    found = parsed_header(block)
    assert found is not None
    assert found.name.rstrip(b"/").decode("latin-1") == expected.name.rstrip("/")
    assert (found.size, found.time_s, found.kind) == (expected.size, expected.mtime, kind)


@given(st.binary(min_size=BLOCK, max_size=BLOCK), st.integers(0, BLOCK - 1))
def test_other_blocks_are_refused(block: bytes, at: int) -> None:
    header = tarfile.TarInfo("a.png").tobuf(tarfile.USTAR_FORMAT)
    changed = header[:at] + bytes([header[at] ^ 1]) + header[at + 1 :]
    for other in (block, block[:-1], changed):
        try:
            tarfile.TarInfo.frombuf(other, "latin-1", "strict")
        except tarfile.HeaderError:
            if other.strip(b"\0"):
                with pytest.raises(BadBlock):
                    parsed_header(other)
