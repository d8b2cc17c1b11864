"""Images are copied out of archives, and taken back; nothing else is done to archives."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from producer.job.sealed_journal import SealedJournal
from producer.sort_log.log import Way
from producer.sorting import sort
from producer.sorting.undo import EDITED, SOURCE_GONE
from producer.sources import row_files
from shared.errors import Exit, UsageError
from tests.support.archives.archive_writers import ENDINGS, write
from tests.support.jobs.finished_job import finish, options_of
from tests.support.jobs.sorted_job import some_files, tree

FILES = some_files()


@pytest.fixture(params=ENDINGS)
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path / f"photos{request.param}", FILES)


@pytest.fixture
def table(archive: Path) -> Path:
    """Of an archive and a folder."""
    folder = archive.parent
    (folder / "in").mkdir()
    (folder / "in/own.png").write_bytes(b"own")
    finish(options_of(folder, archive.name.encode(), b"in"))
    return folder / "out.csv"


def test_copies_have_the_content_of_the_members_and_undo_removes_them(
    archive: Path, table: Path
) -> None:
    out, before = table.parent / "sorted", archive.read_bytes()
    rehearsed = sort.rehearse(table, out, Way.COPY)
    assert not out.exists()
    found = sort.sort(table, out, Way.COPY)
    assert rehearsed.folders == found.folders
    assert found.exit_code == Exit.OK
    assert Counter(tree(out).values()) == Counter([*FILES.values(), b"own"])
    again = sort.sort(table, out, Way.COPY)
    assert (again.folders, Counter(tree(out).values())) == (
        found.folders,
        Counter([*FILES.values(), b"own"]),
    )
    assert sort.undo(out).count == len(FILES) + 1
    assert not out.exists()
    assert archive.read_bytes() == before


def test_rows_of_archives_have_no_file_and_copies_of_files_their_times(table: Path) -> None:
    os.utime(table.parent / "in/own.png", ns=(0, 1_000_000_000))
    out = table.parent / "sorted"
    sort.sort(table, out, Way.COPY)
    with SealedJournal(table) as sealed, row_files.of_table(table, sealed.options) as files:
        names = [name for batch in sealed.row_batches() for name in batch.names]
        members = [name for name in names if name != b"in/own.png"]
        assert len(members) == len(FILES)
        for name in members:
            assert files.path(name) is None
            assert files.moved_to(name) is None
            assert not files.is_placed(name)
    (copy,) = (path for path in out.rglob("own.png"))
    assert copy.stat().st_mtime_ns == 1_000_000_000


def test_names_that_are_too_long_for_a_file_are_shortened_before_their_ending(
    tmp_path: Path,
) -> None:
    files = {f"{folder}/{'ä' * 200}.png": b"same" for folder in "ab"}
    archive = write(tmp_path / "photos.zip", files)
    finish(options_of(tmp_path, archive.name.encode()))
    out = tmp_path / "sorted"
    for _ in range(2):
        assert sort.sort(tmp_path / "out.csv", out, Way.COPY).exit_code == Exit.OK
    names = sorted(Path(path).name for path in tree(out))
    assert names == [f"{'ä' * 124}-2.png", f"{'ä' * 125}.png"]
    assert sort.undo(out).count == len(files)


@pytest.mark.parametrize("way", [Way.MOVE, Way.LINK])
def test_what_needs_files_refuses_archives_in_one_line(
    archive: Path, table: Path, way: Way
) -> None:
    out = table.parent / "sorted"
    for act in (sort.sort, sort.rehearse):
        with pytest.raises(UsageError, match=rf"^the images of {archive.name} .* use --copy$"):
            act(table, out, way)
    assert not out.exists()


def test_a_copy_stays_that_was_edited_or_whose_member_is_gone(archive: Path, table: Path) -> None:
    out = table.parent / "sorted"
    sort.sort(table, out, Way.COPY)
    edited = next(path for path, content in tree(out).items() if content == b"image 3")
    (out / edited).write_bytes(b"edited")
    write(archive, {name: data for name, data in FILES.items() if data != b"same"})
    found = sort.undo(out)
    assert found.stay == {EDITED: 1, SOURCE_GONE: 3}
    assert Counter(tree(out).values()) == Counter({b"edited": 1, b"same": 3})
    archive.unlink()
    assert sum(sort.undo(out).stay.values()) == 4
    assert len(tree(out)) == 4


def test_a_member_that_was_changed_is_not_copied(archive: Path, table: Path) -> None:
    out = table.parent / "sorted"
    write(archive, {name: b"else" if data == b"image 1" else data for name, data in FILES.items()})
    found = sort.sort(table, out, Way.COPY)
    changed = sum(data == b"image 1" for data in FILES.values())
    assert sum(found.stay.values()) == changed
    assert b"else" not in tree(out).values()
