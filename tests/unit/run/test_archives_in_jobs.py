"""Jobs of archives resume, notice what was changed, and read lost batches again."""

from __future__ import annotations

import csv
from contextlib import closing
from pathlib import Path

import pytest

from producer.job.job_options import JobOptions
from producer.job.journal import Journal, journal_path
from producer.run.new_files import NewFiles
from producer.sources.job_sources import JobSources
from producer.table.verify import verify
from shared.errors import SetupError, UsageError
from tests.support.archives.archive_writers import ENDINGS, write
from tests.support.archives.hostile_archives import flipped
from tests.support.jobs.finished_job import RUBBISH, finish, options_of
from tests.support.jobs.updated_job import update

FILES = {
    f"{folder}/{number}.png": f"{folder}{number}".encode() for folder in "ba" for number in range(6)
}
FILES |= {"bad.png": RUBBISH, "notes.txt": b"text"}
IMAGES = len(FILES) - 1


@pytest.fixture(params=ENDINGS)
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path / f"photos{request.param}", FILES)


def _options(archive: Path) -> JobOptions:
    """A job of a folder, an archive and another folder."""
    for name in ("first", "last"):
        (archive.parent / name).mkdir(exist_ok=True)
        (archive.parent / name / "1.png").write_bytes(name.encode())
    return options_of(archive.parent, b"first", archive.name.encode(), b"last")


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _appeared(options: JobOptions, finished: bool = True) -> int:
    reported = list[int]()
    with (
        closing(Journal(journal_path(options.output))) as journal,
        closing(JobSources(journal.options)) as sources,
    ):
        new = NewFiles(sources, journal, finished, reported.append)
        new.advance()
    return sum(reported)


def test_a_job_that_stops_after_any_batch_ends_with_the_same_table(archive: Path) -> None:
    options = _options(archive)
    finish(options)
    table = Path(options.output)
    whole = table.read_bytes()
    assert len(_rows(table)) == IMAGES + 2
    for stop_after in range(5):
        journal_path(table).unlink()
        table.unlink()
        finish(options, stop_after=stop_after)  # this batch is lost, and read again
        assert not table.exists()
        finish(options)
        assert table.read_bytes() == whole
    assert verify(table, deep=True).problems == []
    assert verify(table).skipped == {".txt": 1}


def test_an_unfinished_job_is_refused_if_an_archive_with_its_own_order_has_another(
    tmp_path: Path,
) -> None:
    archive = write(tmp_path / "photos.tar.gz", FILES)
    options = _options(archive)
    finish(options, stop_after=2)
    write(archive, FILES | {"z.png": b"z"})
    assert _appeared(options, finished=False) == 0
    (name, data), *others = FILES.items()
    write(archive, dict([*others[:1], (name, data), *others[1:]]))
    with pytest.raises(
        UsageError, match=r"^photos.tar.gz was changed since .* has moved\); restore"
    ):
        _appeared(options, finished=False)
    write(archive, FILES)
    assert _appeared(options, finished=False) == 0


def test_a_resumed_job_does_not_go_on_where_its_last_member_is_gone(tmp_path: Path) -> None:
    archive = write(tmp_path / "photos.tar.gz", FILES)
    options = options_of(tmp_path, archive.name.encode())
    finish(options, stop_after=1)
    write(archive, {"other.png": b"other"})
    with pytest.raises(SetupError, match=r"photos\.tar\.gz cannot be read: it was changed since"):
        finish(options)


def test_one_flipped_bit_is_found(archive: Path) -> None:
    options = _options(archive)
    finish(options)
    data = archive.read_bytes()
    assert verify(Path(options.output), deep=True).proven
    if archive.suffix == ".gz":
        archive.write_bytes(flipped(data, len(data) - 6))  # in the checksum of what it unpacks to
    else:
        name_at, header_bytes = data.index(b"a/3.png"), 8 if archive.suffix == ".zip" else 512
        archive.write_bytes(flipped(data, name_at + header_bytes))
    problems = verify(Path(options.output), deep=True).problems
    assert len(problems) == 1
    assert archive.name in problems[0]


def test_files_are_unknown_from_an_archive_on_that_vanishes_while_they_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = write(tmp_path / "photos.zip", FILES)
    options, check = _options(archive), JobSources.check
    finish(options)

    def check_last(sources: JobSources) -> None:
        check(sources)
        archive.unlink()

    monkeypatch.setattr(JobSources, "check", check_last)
    (line,) = verify(Path(options.output)).problems
    assert line.startswith("photos.zip cannot be read (No such file or directory); ")


def _folder_of(archive: Path) -> JobOptions:
    """A job of the folder `photos` with an archive between two images, which it opens."""
    folder = archive.parent / "photos"
    folder.mkdir()
    archive.rename(folder / archive.name)
    for name in ("a.png", "z.png"):
        (folder / name).write_bytes(name.encode())
    return options_of(archive.parent, b"photos", archives=True)


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
@pytest.mark.parametrize("in_folder", [False, True])
def test_images_behind_the_damage_of_an_archive_keep_their_rows(
    tmp_path: Path, ending: str, in_folder: bool
) -> None:
    archive = write(tmp_path / f"photos{ending}", FILES)
    options = (_folder_of if in_folder else _options)(archive)
    (archive,) = tmp_path.rglob(archive.name)
    finish(options)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    (line,) = verify(Path(options.output)).problems
    assert f"{archive.name}: cannot be listed (" in line
    assert update(options).view.images == IMAGES + 2


def test_a_job_of_a_folder_with_an_archive_is_resumed_after_any_batch(archive: Path) -> None:
    options = _folder_of(archive)
    finish(options)
    table = Path(options.output)
    whole = table.read_bytes()
    assert len(_rows(table)) == IMAGES + 2
    for stop_after in range(6):
        journal_path(table).unlink()
        table.unlink()
        finish(options, stop_after=stop_after)
        finish(options)
        assert table.read_bytes() == whole
    assert verify(table, deep=True).problems == []
