"""What an update classifies, what it keeps, and what it says."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import stat
from pathlib import Path

import pytest

from producer.job.job_options import JobOptions
from producer.job.journal import journal_path
from producer.job.snapshot import JobView, read_snapshot
from producer.present.events import Event, Events, Notice, RowChanged, Watching
from producer.run.classify import check_not_empty, classify
from producer.sort_log.log import Way
from producer.sorting import sort
from producer.sources.compared import PresentFiles
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from producer.table.verify import verify
from shared.errors import Exit, UsageError
from shared.settings import Settings
from shared.stop import Stop
from tests.support.jobs.finished_job import RUBBISH, finish, options_of
from tests.support.jobs.updated_job import update


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def write(folder: Path, files: dict[str, bytes], time_s: float = 0) -> None:
    for name, content in files.items():
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (time_s, time_s))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished job of three images, one of which cannot be decoded."""
    write(tmp_path, {"a.png": b"one", "b.png": b"two", "c.png": RUBBISH})
    finish(options_of(tmp_path, b"in"))
    return tmp_path


def updated(folder: Path, **given: object) -> tuple[int, list[str]]:
    """The number of images that were classified, and what was said."""
    events, notices = Events(), list[str]()
    events.subscribe(lambda event: notices.append(event.text), Notice)  # type: ignore[attr-defined]
    summary = update(options_of(folder, b"in"), events=events, **given)
    return summary.view.attempt.classified, notices


def stored(folder: Path) -> JobView:
    view = read_snapshot(folder / "out.csv")
    assert view is not None
    return view


def rows(folder: Path, column: str = "label") -> dict[str, str]:
    with (folder / "out.csv").open(newline="", encoding="utf-8") as file:
        return {row["path"].removeprefix("in/"): row[column] for row in csv.DictReader(file)}


def test_only_new_and_changed_files_are_classified(folder: Path) -> None:
    write(folder, {"a-new.png": b"three"})
    write(folder, {"b.png": b"four"}, time_s=1)
    (folder / "in/a.png").unlink()
    assert updated(folder) == (2, ["images since the last time: 1 new, 1 changed, 1 gone"])
    assert list(rows(folder)) == ["a-new.png", "b.png", "c.png"]


def test_a_table_that_is_up_to_date_is_not_touched(folder: Path) -> None:
    before = {path: path.stat() for path in folder.iterdir() if path.is_file()}
    assert updated(folder) == (0, [f"{folder}/out.csv is up to date"])
    now = {path: path.stat() for path in folder.iterdir() if path.is_file()}
    assert {path: info.st_ino for path, info in now.items()} == {
        path: info.st_ino for path, info in before.items()
    }
    assert now[folder / "out.csv"].st_mtime_ns == before[folder / "out.csv"].st_mtime_ns


def test_a_watched_table_waits_for_the_next_change_until_it_is_stopped(folder: Path) -> None:
    events, stop, seen = Events(), Stop(), list[Event]()
    events.subscribe(seen.append, Watching)
    events.subscribe(lambda event: stop.request(), Watching)
    asked = options_of(folder, b"in", watch=True)
    assert classify(asked, Settings(), events=events, stop=stop).exit_code == Exit.SOME_FAILED
    assert len(seen) == 1


def test_failed_rows_are_classified_again_if_that_is_asked_for_too(folder: Path) -> None:
    write(folder, {"b.png": b"other", "d.png": b"four"}, time_s=1)
    notices = ["images since the last time: 1 new, 1 changed, 1 again"]
    assert updated(folder, retry_failed=True) == (3, notices)


def test_a_table_that_only_lost_rows_still_has_failed_ones(folder: Path) -> None:
    (folder / "in/a.png").unlink()
    assert update(options_of(folder, b"in")).exit_code == Exit.SOME_FAILED
    assert list(rows(folder)) == ["b.png", "c.png"]
    assert stored(folder).exit_code == Exit.SOME_FAILED


@pytest.mark.parametrize("named_max", [1, 2, 3])
def test_each_change_is_an_event_unless_there_are_too_many(
    folder: Path, monkeypatch: pytest.MonkeyPatch, named_max: int
) -> None:
    monkeypatch.setattr("producer.run.changes.NAMED_MAX", named_max)
    write(folder, {"d.png": RUBBISH})
    (folder / "in/a.png").unlink()
    events, reported, notices = Events(), list[RowChanged](), list[str]()
    events.subscribe(reported.append, RowChanged)  # type: ignore[arg-type]
    events.subscribe(lambda event: notices.append(event.text), Notice)  # type: ignore[attr-defined]
    update(options_of(folder, b"in"), events=events)
    each = [RowChanged("new", "in/d.png", "unsupported"), RowChanged("gone", "in/a.png")]
    assert reported == (each if named_max > 1 else [])
    assert notices == ([] if named_max > 1 else ["images since the last time: 1 new, 1 gone"])


@pytest.mark.parametrize("content", [None, b"other"])
def test_an_image_that_returns_as_it_was_before_it_was_read_is_classified(
    tmp_path: Path, content: bytes | None
) -> None:
    """Between its listing and its reading it was missing, or another."""
    write(tmp_path, {"a.png": b"one"})
    options, path = options_of(tmp_path, b"in"), tmp_path / "in/a.png"
    finish(options, stop_after=0)
    path.unlink()
    if content is not None:
        write(tmp_path, {"a.png": content}, time_s=1)
    finish(options)
    assert rows(tmp_path, "status") == {"a.png": "missing" if content is None else "changed"}
    write(tmp_path, {"a.png": b"one"})
    assert update(options).view.attempt.classified == 1
    assert rows(tmp_path, "status") == {"a.png": "ok"}


def test_an_image_that_is_too_large_is_classified_once_it_is_not(tmp_path: Path) -> None:
    write(tmp_path, {"a.png": b"a" * 9})
    options = options_of(tmp_path, b"in", max_file_bytes=8)
    finish(options)
    assert update(options).view.attempt.classified == 0
    write(tmp_path, {"a.png": b"a" * 8})
    assert update(options).view.attempt.classified == 1
    assert rows(tmp_path, "status") == {"a.png": "ok"}


def test_a_file_that_cannot_be_opened_stays_until_it_can_be(tmp_path: Path) -> None:
    write(tmp_path, {"b.png": b"two"})
    path = tmp_path / "in/a.png"
    os.mknod(path, stat.S_IFSOCK | 0o600)
    os.utime(path, (0, 0))
    (tmp_path / "list").write_text("in/a.png\nin/b.png\n")
    options = options_of(tmp_path, list_file=b"list")
    finish(options)
    assert rows(tmp_path, "status") == {"a.png": "unreadable", "b.png": "ok"}
    assert update(options).view.attempt.classified == 0
    path.unlink()
    write(tmp_path, {"a.png": b"one"})
    assert update(options).view.attempt.classified == 1


def test_a_link_to_nothing_gets_no_row(folder: Path) -> None:
    (folder / "in/d.png").symlink_to("nothing.png")
    assert updated(folder) == (0, [f"{folder}/out.csv is up to date"])


def test_a_file_that_is_removed_after_its_folder_was_listed_gets_no_row(tmp_path: Path) -> None:
    write(tmp_path, {"a.png": b"one", "b.png": b"two"})
    present = iter(PresentFiles(RowFiles(JobSources(options_of(tmp_path, b"in")))))
    assert next(present)[0] == (0, b"in/a.png")
    (tmp_path / "in/b.png").unlink()
    assert list(present) == []


def test_a_named_file_that_is_gone_keeps_a_row(tmp_path: Path) -> None:
    write(tmp_path, {"a.png": b"one", "b.png": b"two"})
    named = options_of(tmp_path, b"in/a.png", b"in/b.png")
    finish(named)
    (tmp_path / "in/b.png").unlink()
    update(named)
    assert rows(tmp_path, "status") == {"a.png": "ok", "b.png": "missing"}


class TestSorted:
    """Images that were moved since they were classified."""

    @pytest.fixture(params=["folder", "list"])
    def given(self, folder: Path, request: pytest.FixtureRequest) -> JobOptions:
        options = options_of(folder, b"in")
        if request.param == "list":
            for path in (folder / "out.csv", journal_path(folder / "out.csv")):
                path.unlink()
            (folder / "list").write_text("in/a.png\nin/b.png\nin/c.png\n")
            options = options_of(folder, list_file=b"list")
            finish(options)
        sort.sort(folder / "out.csv", folder / "sorted", Way.MOVE)
        return options

    def check(self, options: JobOptions, classified: int, *said: str, **given: bool) -> None:
        events, notices = Events(), list[str]()
        events.subscribe(lambda event: notices.append(event.text), Notice)  # type: ignore[attr-defined]
        summary = update(options, events=events, **given)
        assert (summary.view.attempt.classified, summary.view.images) == (classified, 3)
        assert [notice.partition(":")[0] for notice in notices] == list(said)

    def test_they_keep_their_rows(self, given: JobOptions) -> None:
        self.check(given, 0, f"{given.output} is up to date")
        for path in Path(given.output).parent.glob("sorted/*/*"):
            os.utime(path, (5, 5))
        self.check(given, 0, f"{given.output} is up to date")

    def test_only_failed_ones_are_repeated(self, given: JobOptions) -> None:
        self.check(given, 1, "images since the last time", retry_failed=True)

    def test_one_that_was_edited_is_classified_again(self, given: JobOptions) -> None:
        (path,) = Path(given.output).parent.glob("sorted/*/a.png")
        path.write_bytes(b"edited")
        os.utime(path, (5, 5))
        self.check(given, 1, "images since the last time")

    def test_a_new_file_with_the_name_of_one_is_named_and_gets_no_row(
        self, given: JobOptions
    ) -> None:
        write(Path(given.output).parent, {"a.png": b"new"}, time_s=1)
        namesake = "1 new file without a row"
        self.check(given, 0, namesake, f"{given.output} is up to date")


def test_a_table_that_does_not_exist_or_is_not_finished_gets_all_its_rows_first(
    tmp_path: Path,
) -> None:
    write(tmp_path, {f"{n}.png": b"%d" % n for n in range(9)})
    options = options_of(tmp_path, b"in")
    finish(options, stop_after=0)
    write(tmp_path, {"0-new.png": b"new"})  # before the position of the walk
    finish(options)
    update(options)
    assert len(rows(tmp_path)) == 10


def test_files_of_a_folder_that_cannot_be_listed_keep_their_rows(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no proof that they are gone. Root may list every folder, so the call fails here."""
    write(folder, {"closed/x.png": b"five"})
    assert updated(folder)[0] == 1
    close_folders(monkeypatch)
    (line,) = verify(folder / "out.csv").problems
    assert line.startswith("in/closed: cannot be listed (Permission denied), so its files are")
    (folder / "in/b.png").unlink()
    summary = update(options_of(folder, b"in"))
    assert list(rows(folder)) == ["a.png", "c.png", "closed/x.png"]
    assert (summary.exit_code, summary.view.unlisted.count) == (Exit.SOME_FAILED, 1)
    assert summary.view.attempt.classified == 0


def test_a_folder_that_cannot_be_listed_may_have_the_only_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in/closed").mkdir(parents=True)
    with pytest.raises(UsageError, match="there is no file at all"):
        check_not_empty(JobSources(options_of(tmp_path, b"in")))
    close_folders(monkeypatch)
    check_not_empty(JobSources(options_of(tmp_path, b"in")))


def close_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let folders called `closed` refuse to be listed."""
    scandir = os.scandir

    def refused(path: bytes | Path | int) -> object:
        if not isinstance(path, int) and os.fsencode(path).rstrip(b"/").endswith(b"/closed"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("producer.sources.folder_walk.os.scandir", refused)


def test_an_empty_folder_empties_no_table(folder: Path) -> None:
    before = (folder / "out.csv").read_bytes()
    shutil.rmtree(folder / "in")
    (folder / "in").mkdir()
    with pytest.raises(UsageError, match="is left where it was, so its table stays"):
        updated(folder)
    assert (folder / "out.csv").read_bytes() == before
    assert sorted(os.listdir(folder)) == ["in", "out.csv", "out.csv.hangtag"]


def test_a_file_that_is_written_while_it_is_looked_at_is_left_to_the_next_update(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that goes on only while the update waits."""
    now_s = [1_000.0]
    monkeypatch.setattr("shared.stop.Waits.sleep", lambda self, s: now_s.append(now_s.pop() + s))
    monkeypatch.setattr("producer.run.update.now_ns", lambda: round(now_s[0] * 1e9), raising=True)
    write(folder, {"0.png": b"four"}, time_s=999.5)
    write(folder, {"newer.png": b"five"}, time_s=1_001)
    write(folder, {"b.png": b"changed"}, time_s=1_001)
    before = rows(folder)["b.png"]
    classified, notices = updated(folder)
    assert classified == 1
    assert now_s == [1_001.5]
    assert "2 files still being written; the next update takes them" in notices
    assert rows(folder)["b.png"] == before
    now_s[0] = 1_100
    assert updated(folder)[0] == 2


def test_a_plain_second_run_counts_new_files_and_names_the_option(folder: Path) -> None:
    write(folder, {"d.png": b"four"})
    events, notices = Events(), list[str]()
    events.subscribe(lambda event: notices.append(event.text), Notice)  # type: ignore[attr-defined]
    classify(options_of(folder, b"in"), Settings(), events=events)
    assert notices[0] == (
        "1 file has appeared since the job started, without a row; add the rows of new files with: "
        "classify --update"
    )
    assert not [notice for notice in notices if "--restart" in notice]


def test_a_table_that_was_removed_is_written_again(folder: Path) -> None:
    before = (folder / "out.csv").read_bytes()
    (folder / "out.csv").unlink()
    classified, notices = updated(folder)
    assert classified == 0
    assert notices[0] == f"{folder}/out.csv was missing; it was written again from its journal"
    assert (folder / "out.csv").read_bytes() == before


def test_a_table_that_was_edited_is_not_replaced(folder: Path) -> None:
    (folder / "out.csv").write_text("mine")
    write(folder, {"d.png": b"four"})
    with pytest.raises(UsageError, match="is not what its job wrote, and is not replaced"):
        updated(folder)
    assert (folder / "out.csv").read_text() == "mine"


def test_a_table_that_an_unfinished_job_has_not_written_is_not_replaced(tmp_path: Path) -> None:
    write(tmp_path, {"a.png": b"one"})
    finish(options_of(tmp_path, b"in"), stop_after=0)
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(UsageError, match="run the same command again, or start the job over"):
        finish(options_of(tmp_path, b"in"))
    assert (tmp_path / "out.csv").read_text() == "mine"


class TestList:
    def test_a_list_may_change_in_any_way(self, folder: Path) -> None:
        (folder / "out.csv").unlink()
        journal_path(folder / "out.csv").unlink()
        options = options_of(folder, list_file=b"list")
        for before, now in (
            (["a", "b", "c"], ["c", "a", "new", "b"]),
            (["c", "a", "new", "b"], ["b", "", "gone", "c"]),
            (["b", "", "gone", "c"], ["b", "gone", "c"]),
            (["b", "gone", "c"], ["b", "gone"]),
        ):
            self._write(folder, before)
            if not (folder / "out.csv").exists():
                write(folder, {"new.png": b"ten"})
                finish(options)
            self._write(folder, now)
            update(options)
            assert [name for name in now if name] == [
                name.removesuffix(".png") for name in rows(folder)
            ]
            assert verify(folder / "out.csv", deep=True).problems == []

    def _write(self, folder: Path, names: list[str]) -> None:
        lines = [f"in/{name}.png\n" if name else "\n" for name in names]
        (folder / "list").write_text("".join(lines))


@pytest.mark.parametrize("now", ["in/b.png\nin/a.png\n", "in/a.png\nin/b.png\n"])
def test_a_list_of_the_same_images_gets_the_table_of_its_lines(tmp_path: Path, now: str) -> None:
    write(tmp_path, {"a.png": b"one", "b.png": b"two"})
    options = options_of(tmp_path, list_file=b"list")
    (tmp_path / "list").write_text("in/a.png\n\nin/b.png\n")
    finish(options)
    (tmp_path / "list").write_text(now)
    assert update(options).view.attempt.classified == 0
    assert [f"in/{name}" for name in rows(tmp_path)] == now.split()
    classify(options, Settings())  # of the lines as they are numbered now
    (tmp_path / "in/b.png").unlink()
    assert update(options).view.attempt.classified == 1
    assert rows(tmp_path, "status") == {"a.png": "ok", "b.png": "missing"}
    assert update(options).view.attempt.classified == 0


def test_a_list_in_another_order_gets_the_table_of_a_fresh_job(tmp_path: Path) -> None:
    write(tmp_path, {f"{letter}.png": letter.encode() for letter in "abcd"})
    options = options_of(tmp_path, list_file=b"list")
    (tmp_path / "list").write_text("in/a.png\nin/b.png\nin/a.png\nin/c.png\n")
    finish(options)
    (tmp_path / "list").write_text("in/c.png\n\nin/a.png\nin/d.png\nin/a.png\nin/c.png\n")
    assert update(options).view.attempt.classified == 1
    table = tmp_path / "out.csv"
    now = table.read_bytes()
    assert verify(table, deep=True).problems == []
    table.unlink()
    journal_path(table).unlink()
    finish(options)
    assert table.read_bytes() == now
