"""Reading a file returns its bytes or the reason for their absence; its stamp identifies it."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from producer.job.job_options import JobOptions
from producer.sources.job_sources import JobSources
from producer.sources.reader import FileReader
from producer.sources.row_files import RowFiles
from shared.image_formats import OTHER_ENDINGS
from shared.image_status import Status
from shared.messages.files import NO_STAMP, Stamp

MAX_FILE_BYTES = 64 << 20
NOBODY = 65_534
FILES = FileReader(b"/")
read, read_small, holds_image = FILES.read, FILES.read_small, FILES.holds_image


def read_again(path: bytes, stamp: Stamp, max_bytes: int = MAX_FILE_BYTES) -> bytes | Status:
    options = JobOptions((path,), b"/", "/out.csv", max_file_bytes=max_bytes)
    return RowFiles(JobSources(options)).unchanged(path, stamp)


@pytest.fixture
def path(tmp_path: Path) -> bytes:
    (tmp_path / "x.png").write_bytes(b"content")
    return bytes(tmp_path / "x.png")


@pytest.mark.parametrize("name", [b"absent", b"x.png/below", b"\0", b"a\0b"])
def test_an_absent_file_is_missing(path: bytes, name: bytes) -> None:
    assert read(os.path.join(os.path.dirname(path), name)) == (Status.MISSING, NO_STAMP)


def test_a_special_file_is_unreadable_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    os.symlink("loop", tmp_path / "loop")
    for name in ("fifo", "loop", ".", "n" * 300):
        assert read(bytes(tmp_path / name))[0] is Status.UNREADABLE
    assert read(b"/dev/zero")[0] is Status.UNREADABLE


def test_a_file_without_permission_is_unreadable(path: bytes) -> None:
    os.chmod(path, 0)
    user = os.geteuid()
    if user == 0:  # root may read everything
        os.seteuid(NOBODY)
    try:
        assert read(path) == (Status.UNREADABLE, NO_STAMP)
    finally:
        os.seteuid(user)


def test_a_file_above_the_limit_is_too_large_and_is_not_read(path: bytes) -> None:
    os.truncate(path, MAX_FILE_BYTES + 1)
    content, stamp = read(path)
    assert content is Status.TOO_LARGE
    assert read_small(path, 0) == (Status.TOO_LARGE, stamp)
    assert read_again(path, stamp) is Status.TOO_LARGE
    assert read(path, MAX_FILE_BYTES + 1)[0] == b"content".ljust(MAX_FILE_BYTES + 1, b"\0")


def test_a_file_with_another_size_or_time_is_changed(path: bytes) -> None:
    _, stamp = read(path)
    os.utime(path, ns=(0, 1))
    assert read_again(path, stamp) is Status.CHANGED
    _, stamp = read(path)
    with open(path, "ab") as file:
        file.write(b"+")
    os.utime(path, ns=(0, 1))
    assert read_again(path, stamp) is Status.CHANGED
    os.unlink(path)
    assert read_again(path, stamp) is Status.MISSING


@pytest.mark.parametrize("seconds", [-(1 << 33), -1, 0, 10_413_792_000, 1 << 33])
def test_any_date_of_a_file_fits_into_the_journal(path: bytes, seconds: int) -> None:
    os.utime(path, (seconds, seconds))
    _, stamp = read(path)
    assert len(struct.pack("<qq", *stamp)) == 16
    assert read_again(path, stamp) == b"content"


@pytest.mark.parametrize("ending", OTHER_ENDINGS)
def test_an_image_of_another_kind_is_unsupported_whatever_its_size(
    tmp_path: Path, ending: bytes
) -> None:
    path = bytes(tmp_path) + b"/IMG_1." + ending.upper()
    for content in (b"", b"II*\0" + bytes(99), b"\0\0\0\x18ftypcrx "):
        Path(os.fsdecode(path)).write_bytes(content)
        status, stamp = read(path, 10)
        assert (status, stamp[0]) == (Status.UNSUPPORTED, len(content))
        assert read_small(path, 0, 10) == (status, stamp)
        assert read_again(path, stamp) is Status.UNSUPPORTED


def test_a_photo_with_the_ending_of_another_kind_is_read(tmp_path: Path) -> None:
    (tmp_path / "1.cr2").write_bytes(b"\xff\xd8\xff\xe0")
    assert read(bytes(tmp_path / "1.cr2"))[0] == b"\xff\xd8\xff\xe0"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xff\xd8\xff\xe0", True),
        (b"\0\0\0\x14ftypmif1\0\0\0\0heic", True),
        (b"\0\0\0\x14ftypisom\0\0\0\0mp42", False),
        (b"8BPS\0\1", True),
        (b"BM is not always a bitmap", False),
        (b"#!/bin/sh", False),
        (b"", False),
    ],
)
def test_a_file_without_an_ending_is_an_image_by_its_first_bytes(
    tmp_path: Path, content: bytes, expected: bool
) -> None:
    (tmp_path / "nameless").write_bytes(content)
    assert holds_image(bytes(tmp_path / "nameless")) is expected
    assert not holds_image(bytes(tmp_path / "absent"))
