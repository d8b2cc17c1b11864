"""Names in open folders stand for regular files only, and no rename replaces one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from producer.sort_log.log import ClassifiedContent, Entry, Way
from producer.sorting import folders, transfer
from producer.sorting.folders import MISSING, NOT_REGULAR, FileStays, Folders, Spot
from shared.errors import SetupError
from tests.unit.sorting.test_forged_folder import socket_at


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.fixture
def image(tmp_path: Path, folder: int) -> Spot:
    (tmp_path / "a.png").write_bytes(b"one")
    return Spot(folder, b"a.png")


@pytest.mark.parametrize(
    ("name", "number", "wanted"),
    [
        (b"a.png", 1, b"a.png"),
        (b"a.png", 2, b"a-2.png"),
        (b"caf\xe9.png", 2, b"caf\xe9-2.png"),
        (b"a.0123456789abcdef", 2, b"a.0123456789abcdef-2"),
        (b"a.0123456789abcde", 2, b"a-2.0123456789abcde"),
        (b"a" * 249 + b".png", 2, b"a" * 249 + b"-2.png"),
        (b"a" * 250 + b".png", 2, b"a" * 249 + b"-2.png"),
    ],
)
def test_a_number_stands_before_the_ending(name: bytes, number: int, wanted: bytes) -> None:
    assert folders.numbered(name, number) == wanted


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, socket_at, lambda path: path.symlink_to(".")]
)
def test_what_is_no_file_is_not_opened(
    folder: int, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "a.png")
    with pytest.raises(FileStays, match=NOT_REGULAR), folders.opened(Spot(folder, b"a.png")):
        pass


def test_a_folder_that_is_missing_is_not_the_current_one(
    image: Spot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which has a file of this name."""
    monkeypatch.chdir(tmp_path)
    content = ClassifiedContent(3, b"crc!")
    entry = Entry(0, Way.COPY, b"/in/a.png", "Bag", image.name, content, 0)
    with Folders(str(tmp_path / "out")) as folders:
        assert folders.placed_spot(entry) is None
        assert folders.names("Bag") == []
        with pytest.raises(FileStays, match=MISSING):
            folders.descriptor(os.fsencode(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_opened_is_named_with_its_reason(tmp_path: Path) -> None:
    with (
        Folders(str(tmp_path)) as folders,
        pytest.raises(SetupError, match=r"cannot be used \(File name too long\)"),
    ):
        folders.label_folder("n" * 300)


def test_a_system_without_extended_attributes_has_copies(
    image: Spot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "listxattr")
    transfer.copy(image, Spot(image.folder, b"b.png"), Spot(image.folder, b"part"), None)
    assert (tmp_path / "b.png").read_bytes() == b"one"
