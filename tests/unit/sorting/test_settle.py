"""What a process has left under way is settled by what the files show, state by state."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from producer.sort_log.log import ClassifiedContent, Entry, State, Way
from producer.sorting.folders import Folders
from producer.sorting.settle import is_placed

ROWS = b"content"
PLACING, RETURNING = State.PLACING, State.RETURNING
#: The folder of the source is gone, too.
GONE = b"no folder"


class Case(NamedTuple):
    """Where an entry's files are; both names stand for one file if the place has LINKED."""

    way: Way
    state: State
    source: bytes | None
    place: bytes | None
    placed: bool
    after: tuple[bytes | None, bytes | None]


LINKED, SAME_INODE = b"a second name of the source", b"changed while it was moved"
CASES = [
    Case(Way.MOVE, PLACING, None, ROWS, True, (None, ROWS)),
    Case(Way.MOVE, PLACING, None, b"other", False, (None, b"other")),
    Case(Way.MOVE, PLACING, None, SAME_INODE, False, (SAME_INODE, None)),
    Case(Way.MOVE, PLACING, ROWS, LINKED, False, (ROWS, None)),
    Case(Way.MOVE, PLACING, ROWS, b"other", False, (ROWS, b"other")),
    Case(Way.MOVE, PLACING, ROWS, ROWS, False, (ROWS, ROWS)),
    Case(Way.MOVE, PLACING, ROWS, None, False, (ROWS, None)),
    Case(Way.MOVE, PLACING, None, None, False, (None, None)),
    Case(Way.MOVE, PLACING, GONE, ROWS, True, (None, ROWS)),
    Case(Way.MOVE, PLACING, GONE, b"other", False, (None, b"other")),
    Case(Way.MOVE, RETURNING, None, ROWS, True, (None, ROWS)),
    Case(Way.MOVE, RETURNING, None, b"other", True, (None, b"other")),
    Case(Way.MOVE, RETURNING, ROWS, LINKED, True, (None, ROWS)),
    Case(Way.MOVE, RETURNING, ROWS, None, False, (ROWS, None)),
    Case(Way.MOVE, RETURNING, None, None, True, (None, None)),
    Case(Way.MOVE, RETURNING, GONE, None, True, (None, None)),
    Case(Way.MOVE, RETURNING, GONE, b"other", True, (None, b"other")),
    Case(Way.COPY, PLACING, ROWS, ROWS, True, (ROWS, ROWS)),
    Case(Way.COPY, PLACING, ROWS, b"other", False, (ROWS, b"other")),
    Case(Way.COPY, PLACING, None, None, False, (None, None)),
    Case(Way.COPY, RETURNING, ROWS, b"other", True, (ROWS, b"other")),
    Case(Way.COPY, RETURNING, None, None, False, (None, None)),
    Case(Way.LINK, PLACING, ROWS, LINKED, True, (ROWS, ROWS)),
    Case(Way.LINK, PLACING, ROWS, ROWS, False, (ROWS, ROWS)),
    Case(Way.LINK, PLACING, None, ROWS, False, (None, ROWS)),
    Case(Way.LINK, PLACING, GONE, ROWS, False, (None, ROWS)),
    Case(Way.LINK, RETURNING, ROWS, ROWS, True, (ROWS, ROWS)),
]


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    (tmp_path / "out/Bag").mkdir(parents=True)
    (tmp_path / "from").mkdir()
    with Folders(str(tmp_path / "out")) as opened:
        yield opened


def laid(tmp_path: Path, case: Case) -> Entry:
    """The entry of a case, with its files."""
    source, place = tmp_path / "from/a.png", tmp_path / "out/Bag/a.png"
    if case.source == GONE:
        source.parent.rmdir()
    elif case.source is not None:
        source.write_bytes(case.source)
    if case.place == LINKED:
        os.link(source, place)
    elif case.place is not None:
        place.write_bytes(case.place)
    inode = place.stat().st_ino if case.place == SAME_INODE else 0
    content = ClassifiedContent(len(ROWS), zlib.crc32(ROWS).to_bytes(4, "little"))
    return Entry(0, case.way, os.fsencode(source), "Bag", b"a.png", content, inode)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_open_entry_is_settled_by_what_its_names_stand_for(
    tmp_path: Path, folders: Folders, case: Case
) -> None:
    entry = laid(tmp_path, case)
    assert is_placed(entry, case.state, folders, "log") is case.placed
    found = [path.read_bytes() if path.exists() else None
             for path in (tmp_path / "from/a.png", tmp_path / "out/Bag/a.png")]  # fmt: skip
    assert tuple(found) == case.after


@pytest.mark.parametrize("has_both_names", [False, True])
def test_incomplete_copies_are_removed_and_files_aside_are_put_back(
    tmp_path: Path, folders: Folders, has_both_names: bool
) -> None:
    """A rename by a second name may have ended before the first one was removed."""
    entry = laid(tmp_path, Case(Way.MOVE, PLACING, None, None, False, (None, None)))
    for folder in (tmp_path / "from", tmp_path / "out/Bag"):
        (folder / os.fsdecode(entry.part("log"))).write_bytes(b"half")
    aside = tmp_path / "from" / os.fsdecode(entry.aside("log"))
    aside.write_bytes(ROWS)
    if has_both_names:
        os.link(aside, tmp_path / "from/a.png")
    assert not is_placed(entry, PLACING, folders, "log")
    assert [path.name for path in (tmp_path / "from").iterdir()] == ["a.png"]
    assert list((tmp_path / "out/Bag").iterdir()) == []


def test_where_the_folder_of_the_place_is_gone_nothing_was_placed(
    tmp_path: Path, folders: Folders
) -> None:
    entry = laid(tmp_path, Case(Way.COPY, PLACING, ROWS, None, False, (ROWS, None)))
    (tmp_path / "out/Bag").rmdir()
    assert not is_placed(entry, PLACING, folders, "log")
