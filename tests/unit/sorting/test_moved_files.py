"""The files of rows are found where `hangtag sort` has put them."""

from __future__ import annotations

import csv
import os
import shutil
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from producer.job.journal import journal_path
from producer.job.sealed_journal import SealedJournal
from producer.job.snapshot import read_snapshot
from producer.predict import predict
from producer.present.events import Event, Events, Notice
from producer.sort_log.log import Way
from producer.sorting import sort
from producer.sources import row_files
from producer.sources.row_files import MovedFiles
from producer.table.verify import verify
from shared.errors import SetupError
from shared.image_status import Status
from tests.support.jobs import sorted_job
from tests.support.jobs.finished_job import RUBBISH, finish, options_of
from tests.support.jobs.sorted_job import some_files


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "job").mkdir()
    return sorted_job.make(tmp_path / "job", some_files())


@contextmanager
def moved_of(table: Path) -> Iterator[MovedFiles]:
    """What finds the images of the job of a table."""
    view = read_snapshot(table)
    assert view is not None
    yield MovedFiles(view.job)


def read_all(table: Path) -> dict[str, bytes | Status]:
    """Each row's file as a report reads it, in several threads."""
    with SealedJournal(table) as sealed, row_files.of_table(table, sealed.options) as files:
        rows = [
            row
            for batch in sealed.row_batches()
            for row in zip(batch.names, batch.stamps, batch.digests, strict=True)
        ]
        with ThreadPoolExecutor(4) as pool:
            contents = pool.map(lambda row: files.classified(*row), rows)
            return dict(zip((os.fsdecode(row[0]) for row in rows), contents, strict=True))


@pytest.mark.parametrize("way", list(Way))
def test_every_row_has_its_file_before_during_and_after(
    table: Path, tmp_path: Path, way: Way
) -> None:
    wanted = {f"in/{name}": content for name, content in some_files().items()}
    assert read_all(table) == wanted
    sort.sort(table, tmp_path / "sorted", way)
    assert read_all(table) == wanted
    sort.undo(tmp_path / "sorted")
    assert read_all(table) == wanted


def test_a_new_file_with_the_former_name_is_not_the_moved_one(table: Path, tmp_path: Path) -> None:
    sort.sort(table, tmp_path / "sorted", Way.MOVE)
    (table.parent / "in/a/0.png").write_bytes(b"image 0")
    with moved_of(table) as moved:
        assert moved.current(os.fsencode(table.parent / "in/a/0.png")).startswith(
            os.fsencode(tmp_path / "sorted")
        )


def test_a_new_job_of_the_table_has_the_files_that_it_classified(
    table: Path, tmp_path: Path
) -> None:
    """An inbox: its images are moved away, and later ones have the same names."""
    sort.sort(table, tmp_path / "sorted", Way.MOVE)
    shutil.rmtree(table.parent / "in")
    later = {"a/0.png": b"later 0", "a/1.png": b"later 1"}
    for name, content in later.items():
        path = table.parent / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    table.unlink()
    journal_path(table).unlink()
    finish(options_of(table.parent, b"in"), job_id="testjb02")
    assert read_all(table) == {f"in/{name}": content for name, content in later.items()}
    (table.parent / "in/a/0.png").unlink()
    assert read_all(table)["in/a/0.png"] is Status.MISSING


@pytest.mark.parametrize("renamed", [False, True])
def test_each_table_in_a_folder_has_its_own_files(tmp_path: Path, renamed: bool) -> None:
    """Two months of one folder, with the same names, and tables that a person may rename."""
    pictures, wanted, out = tmp_path / "in", dict[Path, dict[str, bytes | Status]](), tmp_path / "s"
    for number, month in enumerate((b"jan", b"feb"), 1):
        table = tmp_path / f"{month.decode()}.csv"
        content = {"1.png": month, "2.png": b"other " + month}
        pictures.mkdir(exist_ok=True)
        for name, data in content.items():
            (pictures / name).write_bytes(data)
        options = msgspec.structs.replace(options_of(tmp_path, b"in"), output=str(table))
        finish(options, job_id=f"testjb0{number}")
        sort.sort(table, out, Way.MOVE)
        wanted[table] = {f"in/{name}": data for name, data in content.items()}
    for table, files in wanted.items():
        if renamed:
            new = tmp_path / "moved" / f"new {table.name}"
            new.parent.mkdir(exist_ok=True)
            for path in tmp_path.glob(f"{table.name}*"):
                path.rename(f"{new}{path.name.removeprefix(table.name)}")
            table = new
        assert read_all(table) == files
        assert verify(table).proven


@pytest.mark.parametrize("stopped", [False, True])
def test_failed_rows_are_repeated_where_their_files_are(
    table: Path, tmp_path: Path, stopped: bool
) -> None:
    """Also if Redis has lost a batch of them that was formed before the command was stopped."""
    options, failed = options_of(table.parent, b"in"), tmp_path / "sorted/failed"
    sort.sort(table, tmp_path / "sorted", Way.MOVE)
    (failed / "bad.png").write_bytes(b"repaired")
    with SealedJournal(table) as sealed:
        last = sealed.finished_numbers()[-1]
    if stopped:
        finish(options, retry_failed=True, stop_after=last + 1)
    finish(options, retry_failed=not stopped)
    with table.open(newline="", encoding="utf-8") as file:
        found = {row["path"]: row["status"] for row in csv.DictReader(file)}
    assert found.pop("in/b/bad.png") == Status.UNSUPPORTED
    assert set(found.values()) == {Status.OK}
    assert read_all(table)["in/a/bad.png"] == b"repaired"


def test_a_copy_stands_in_for_a_lost_original(table: Path, tmp_path: Path) -> None:
    sort.sort(table, tmp_path / "sorted", Way.COPY)
    picture = table.parent / "in/a/odd.png"
    with moved_of(table) as moved:
        assert moved.current(os.fsencode(picture)) == os.fsencode(picture)
        picture.unlink()
        assert moved.current(os.fsencode(picture)) == os.fsencode(
            tmp_path / "sorted/flagged/odd.png"
        )


def test_a_moved_image_that_was_removed_is_at_its_old_path(table: Path, tmp_path: Path) -> None:
    sort.sort(table, tmp_path / "sorted", Way.MOVE)
    shutil.rmtree(tmp_path / "sorted/flagged")
    picture = os.fsencode(table.parent / "in/a/odd.png")
    with moved_of(table) as moved:
        assert moved.current(picture) == picture


def test_a_file_that_was_sorted_twice_is_found(table: Path, tmp_path: Path) -> None:
    """A second job classifies the sorted images, and they are sorted again."""
    sort.sort(table, tmp_path / "sorted", Way.MOVE)
    (tmp_path / "second").mkdir()
    finish(
        options_of(tmp_path / "second", os.fsencode(tmp_path / "sorted/flagged")),
        job_id="testjb02",
    )
    second = tmp_path / "second/out.csv"
    sort.sort(second, tmp_path / "again", Way.MOVE)
    now = row_files.of_all_jobs()(os.fsencode(table.parent / "in/a/odd.png"))
    assert now == os.fsencode(tmp_path / "again/flagged/odd.png")
    with moved_of(table) as moved:
        assert moved.current(os.fsencode(table.parent / "in/a/odd.png")) == now


def test_predict_finds_moved_images(
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sort.sort(table, tmp_path / "sorted", Way.MOVE)
    (table.parent / "in/here.png").write_bytes(b"here")
    monkeypatch.chdir(tmp_path)
    typed = [b"job/in/a/odd.png", b"job/in/here.png", b"job/in/never.png"]
    events, reported = Events(), list[Event]()
    events.subscribe(reported.append)
    assert list(predict._current_paths(typed, events)) == [b"sorted/flagged/odd.png", *typed[1:]]
    assert reported == [
        Notice("job/in/a/odd.png was moved by hangtag sort to sorted/flagged/odd.png")
    ]


def test_verify_names_who_finds_images_that_were_moved(table: Path, tmp_path: Path) -> None:
    """Another user, or this one on another machine, has no log of them."""
    sort.sort(table, tmp_path / "sorted", Way.MOVE)
    shutil.rmtree(tmp_path / "state")
    proof = verify(table)
    assert not proof.proven
    (line,) = (gap for gap in proof.unproven if "hangtag sort" in gap)
    assert "only the user who sorted them finds them" in line


def test_a_missing_image_of_a_table_that_0_2_0_has_sorted_is_refused(table: Path) -> None:
    """It may have been moved; as long as all are in their places, nothing is refused."""
    Path(f"{table}.sorted").write_text("/sorted\n")
    assert verify(table).proven
    (table.parent / "in/a/odd.png").unlink()
    for act in (verify, read_all):
        with pytest.raises(
            SetupError, match=r"odd\.png is missing, and version 0\.2\.0 has sorted"
        ):
            act(table)


def moved(table: Path, folder: Path) -> Path:
    """A table that was moved with its journal, and without its record of sorts."""
    folder.mkdir()
    for file in (table, journal_path(table)):
        file.rename(folder / file.name)
    return folder / table.name


def verified(table: Path, deep: bool = False) -> list[str]:
    """The problems that `verify` finds."""
    return verify(table, deep).problems


def test_a_moved_image_that_was_changed_is_not_to_be_classified_at_its_old_path(
    table: Path, tmp_path: Path
) -> None:
    sort.sort(table, tmp_path / "sorted", Way.MOVE)
    odd = tmp_path / "sorted/flagged/odd.png"
    for content in (b"another one", b"ODD"[: odd.stat().st_size]):
        odd.write_bytes(content)
        (line,) = verified(table)
        assert line.startswith(f"{odd}: ")
        assert "--update" in line
        assert "--restart" not in line
        assert "--retry-failed" not in line


def test_a_moved_image_with_another_time_is_proven_by_its_content(
    table: Path, tmp_path: Path
) -> None:
    """Another disk may store less exact times."""
    sort.sort(table, tmp_path / "sorted", Way.MOVE)
    os.utime(tmp_path / "sorted/flagged/odd.png", (1, 1))
    assert verified(table) == []


def with_checksum(content: bytes) -> bytes:
    """A content with its CRC-32 behind it; the CRC-32 of that is the same for any content."""
    return content + zlib.crc32(content).to_bytes(4, "little")


def test_a_moved_image_of_another_size_is_not_proven_by_a_checksum(tmp_path: Path) -> None:
    table = sorted_job.make(tmp_path, {"1.png": with_checksum(b"one")})
    sort.sort(table, tmp_path / "sorted", Way.MOVE)
    (picture,) = (tmp_path / "sorted").glob("*/1.png")
    picture.write_bytes(with_checksum(b"another"))
    (line,) = verified(table)
    assert line.startswith(f"{picture}: has another size or time")


def test_a_moved_image_without_a_checksum_is_known_by_its_time(tmp_path: Path) -> None:
    """It was too large to be read when its row was repeated."""
    options = options_of(tmp_path, b"in", max_file_bytes=len(RUBBISH))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/1.png").write_bytes(RUBBISH)
    finish(options)
    sort.sort(tmp_path / "out.csv", tmp_path / "sorted", Way.MOVE)
    picture = tmp_path / "sorted/failed/1.png"
    picture.write_bytes(b"larger than before")
    finish(options, retry_failed=True)
    assert verified(tmp_path / "out.csv") == []
    os.utime(picture, (1, 1))
    (line,) = verified(tmp_path / "out.csv")
    assert line.startswith(f"{picture}: has another size or time")
