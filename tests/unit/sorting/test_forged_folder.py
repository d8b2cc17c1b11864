"""What others write into a sorted folder changes nothing: the log is in this user's state folder,
and the id in the folder counts only where that has moved."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.sort_log import sorted_folder
from producer.sort_log.log import Way
from producer.sorting import placing, sort
from producer.sorting.undo import GONE, REPLACED
from shared import failpoints, file_lock
from shared.errors import Exit, SetupError, UsageError
from shared.labels.class_folders import SORT_LOG
from tests.support.jobs import sorted_job
from tests.support.jobs.sorted_job import tree

FILES = {"a/1.png": b"one", "b/1.png": b"uno", "b/2.png": b"two"}
#: The start of the log of version 0.2.0.
SQLITE = b"SQLite format 3\0\x10\0\1\1" + bytes(80)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path / "job", FILES)


@pytest.fixture
def out(table: Path) -> Path:
    """The images of a job of this user, moved."""
    sort.sort(table, table.parent / "sorted", Way.MOVE)
    return table.parent / "sorted"


def undo(out: Path, *options: str) -> tuple[int, str]:
    """The exit code and the line on standard error; no pipe may be waited for."""
    result = CliRunner().invoke(hangtag, ["sort", "--undo", str(out), "--quiet", *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


def state() -> Path:
    return Path(os.environ["XDG_STATE_HOME"], "hangtag/sorts")


def socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)  # its path may be too long
        server.bind(path.name)


def sort_another(path: Path) -> None:
    """The id of another sort of the same user."""
    other = sorted_job.make(path.parents[2] / "other", {"c.png": b"c"}, job_id="testjb02")
    sort.sort(other, other.parent / "sorted", Way.MOVE)
    shutil.copy(other.parent / "sorted" / SORT_LOG, path)


FORGED: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "no bytes": Path.touch,
    "text": lambda path: path.write_text("path,label\n"),
    "a log of 0.2.0": lambda path: path.write_bytes(SQLITE),
    "an id that leads elsewhere": lambda path: path.write_text("../../../../xx\n"),
    "bytes that are no text": lambda path: path.write_bytes(b"\xff\n"),
    "an unknown id": lambda path: path.write_text("0123456789abcdef\n"),
    "the id of another sort": sort_another,
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a socket": socket_at,
    "a link": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_images_return_whatever_the_folder_says(
    table: Path, out: Path, tmp_path: Path, kind: str
) -> None:
    (out / SORT_LOG).unlink()
    FORGED[kind](out / SORT_LOG)
    assert sort.sort(table, out, Way.MOVE).stay == {}
    assert undo(out)[0] == Exit.OK
    assert tree(table.parent / "in") == FILES
    if kind == "the id of another sort":
        assert undo(tmp_path / "other/sorted")[0] == Exit.OK
        assert tree(tmp_path / "other/in") == {"c.png": b"c"}


@pytest.mark.parametrize("kind", [kind for kind in FORGED if kind not in ("nothing",)])
def test_a_folder_that_was_not_sorted_into_is_refused_in_one_line(
    table: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "job/new"
    out.mkdir()
    FORGED[kind](out / SORT_LOG)
    before = tree(tmp_path)
    code, line = undo(out)
    assert code in (Exit.SETUP, Exit.USAGE)
    assert line.startswith("hangtag: ")
    assert len(line.splitlines()) == 1
    for act in (sort.sort, sort.rehearse):
        with pytest.raises(SetupError) as caught:
            act(table, out, Way.MOVE)
        assert f"hangtag: {caught.value}" == line.strip()
    assert tree(tmp_path) == before


def test_a_log_of_0_2_0_is_refused_with_its_version(table: Path, tmp_path: Path) -> None:
    (tmp_path / SORT_LOG).write_bytes(SQLITE)
    assert "version 0.2.0" in undo(tmp_path)[1]


def test_without_the_private_log_nothing_moves_and_a_line_says_where_it_was(
    table: Path, out: Path, tmp_path: Path
) -> None:
    shutil.rmtree(state())
    before = tree(tmp_path)
    code, line = undo(out)
    assert (code, tree(tmp_path)) == (Exit.USAGE, before)
    token = (out / SORT_LOG).read_text().strip()
    assert f"{state()}/{token}.jsonl does not exist" in line
    with pytest.raises(UsageError, match="is not here"):
        sort.sort(table, out, Way.MOVE)


def test_a_moved_folder_is_found_by_its_id(table: Path, tmp_path: Path) -> None:
    """The folders above it stay: they may be the user's own by now."""
    sort.sort(table, tmp_path / "new/er/sorted", Way.MOVE)
    (tmp_path / "new/er/sorted").rename(tmp_path / "elsewhere")
    assert sort.sort(table, tmp_path / "elsewhere", Way.MOVE).stay == {}
    assert undo(tmp_path / "elsewhere")[0] == Exit.OK
    assert tree(table.parent / "in") == FILES
    assert (tmp_path / "new/er").is_dir()
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_has_moved_before_anything_was_sorted_is_found(tmp_path: Path) -> None:
    with sorted_folder.locked(str(tmp_path / "out"), create=True) as folder:
        folder.make(())
        token = sorted_folder.token_of(str(tmp_path / "out"))
    (tmp_path / "out").rename(tmp_path / "moved")
    assert sorted_folder.token_of(str(tmp_path / "moved")) == token != ""


def test_images_that_are_gone_with_their_folder_are_counted(table: Path, out: Path) -> None:
    shutil.rmtree(out)
    assert sort.undo(out).stay == {GONE: 3}
    for name, content in FILES.items():
        (table.parent / "in" / name).parent.mkdir(exist_ok=True)
        (table.parent / "in" / name).write_bytes(content)  # out of a backup
    assert sort.undo(out).stay == {}
    assert sorted_folder.tokens() == []


def test_a_record_that_is_removed_while_it_is_opened_is_not_written(
    out: Path,
) -> None:
    """Another process has taken everything back."""
    lock = file_lock.try_acquire

    def undone(file: int) -> bool:
        patch.undo()
        sort.undo(out)
        return lock(file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_lock, "try_acquire", undone)
        with pytest.raises(UsageError, match="another hangtag sort runs"):
            sort.undo(out)


def test_a_copy_of_a_sorted_folder_is_refused(out: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "copy")
    code, line = undo(tmp_path / "copy")
    assert (code, f"is a copy of the sorted folder {out}" in line) == (Exit.USAGE, True)
    assert undo(out)[0] == Exit.OK


def test_a_new_folder_of_the_same_name_is_another(out: Path, tmp_path: Path) -> None:
    out.rename(tmp_path / "moved")
    other = sorted_job.make(tmp_path / "other", {"c.png": b"c"}, job_id="testjb02")
    out.mkdir()
    sort.sort(other, out, Way.MOVE)
    for folder in (out, tmp_path / "moved"):
        assert undo(folder)[0] == Exit.OK
    assert tree(out.parent / "in") == FILES
    assert tree(other.parent / "in") == {"c.png": b"c"}


def test_a_file_that_was_exchanged_does_not_return(out: Path, tmp_path: Path) -> None:
    """Neither another file nor that of another row."""
    first, second = (path for path in out.rglob("*.png") if path.read_bytes() != b"two")
    first.rename(tmp_path / "kept")
    second.rename(first)
    (tmp_path / "kept").rename(second)
    (place,) = (path for path in out.rglob("*.png") if path.read_bytes() == b"two")
    (tmp_path / "evil").write_bytes(b"evil")
    (tmp_path / "evil").replace(place)
    before = tree(out)
    assert sort.undo(out).stay == {REPLACED: 3}
    assert (tree(out), tree(out.parent / "in")) == (before, {})
    place.unlink()
    (out.parent / "in/b").mkdir(exist_ok=True)
    (out.parent / "in/b/2.png").write_bytes(b"put back")
    assert sort.undo(out).count == 1


def test_a_link_below_the_sorted_folder_leads_nowhere(out: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    shutil.rmtree(out.parent / "in/b")
    (out.parent / "in/b").symlink_to(victim)
    code, stderr = undo(out)
    assert code == Exit.SOME_FAILED
    assert "replaced by a link" in stderr
    assert os.listdir(victim) == []


@pytest.mark.parametrize("way", Way)
def test_renamed_folders_get_their_images_back(table: Path, tmp_path: Path, way: Way) -> None:
    """Both the images' folder and the sorted one have another name above them now."""
    sort.sort(table, table.parent / "sorted", way)
    here = table.parent.rename(tmp_path / "renamed")
    assert undo(here / "sorted", "--back-to", str(here / "in"))[0] == Exit.OK
    assert tree(here / "in") == FILES
    assert not (here / "sorted").exists()
    assert not (tmp_path / "job").exists()
    assert sorted_folder.tokens() == []


def test_the_log_is_readable_for_its_user_only(out: Path) -> None:
    assert state().parent.stat().st_mode & 0o077 == 0


def test_a_file_that_is_replaced_while_images_return_stays(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "BATCH_FILES", 1)
    places = sorted(out.rglob("*.png"))

    def on_pass(name: str) -> None:
        if name == "sort.logged":
            monkeypatch.setattr(failpoints, "_on_pass", lambda name: None)
            for place in places:
                (out / "evil").write_bytes(b"evil")
                (out / "evil").replace(place)

    monkeypatch.setattr(failpoints, "_on_pass", on_pass)
    assert sort.undo(out).stay == {REPLACED: 3}
    assert {place.read_bytes() for place in places} == {b"evil"}
