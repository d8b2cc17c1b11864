"""What copies were taken from is read again before they are removed: archives and addresses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from producer.sort_log.log import ClassifiedContent
from producer.sorting.undo import Originals
from producer.sources import source as kinds
from producer.sources.source import path_of_address
from shared.messages.files import digest
from tests.support.archives.archive_writers import ENDINGS, write
from tests.support.sources import known_source

CONTENT = b"one image"
KNOWN = ClassifiedContent(len(CONTENT), digest(CONTENT))
ADDRESS = b"known://a.png"


def member(archive: Path, name: str) -> bytes:
    return os.fsencode(archive / name)


def test_an_address_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.SOURCES, known_source.NAME, known_source.ROW)
    monkeypatch.setitem(known_source.KnownSource.contents, ADDRESS, CONTENT)
    assert Originals().holds(path_of_address(ADDRESS))
    assert Originals().content(path_of_address(ADDRESS)) == KNOWN
    assert Originals().content(path_of_address(b"known://gone.png")) is None


@pytest.mark.parametrize("ending", ENDINGS)
def test_members_of_several_archives_are_read(tmp_path: Path, ending: str) -> None:
    originals = Originals()
    first = write(tmp_path / f"first{ending}", {"a.png": CONTENT})
    second = write(tmp_path / f"second{ending}", {"b.png": CONTENT})
    assert originals.content(member(first, "a.png")) == KNOWN
    assert originals.content(member(second, "b.png")) == KNOWN
    assert originals.content(member(second, "gone.png")) is None


@pytest.mark.parametrize(
    ("address", "is_in_list"),
    [
        (b"https://host/a.png#12", True),
        (b"http://127.0.0.1:80/a/#1", True),
        (b"https://host/a.png", False),
        (b"s3://bucket/a#12", False),
        (b"known://a#12", False),
    ],
)
def test_the_secrets_of_an_address_with_a_line_are_in_its_list(
    address: bytes, is_in_list: bool
) -> None:
    assert Originals.is_in_list(path_of_address(address)) is is_in_list
    assert not Originals.is_in_list(b"/folder/a.png#12")
