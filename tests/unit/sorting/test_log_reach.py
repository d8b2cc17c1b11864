"""A log puts files back only where this user's own index, or the command, says so."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.locations import sorted_into
from producer.sort_log.entry import State, Way
from producer.sort_log.log_tables import seal
from producer.sorting import placing, sort, sort_index
from shared import failpoints
from shared.errors import Exit, UsageError
from tests.support.jobs import sorted_job
from tests.support.jobs.finished_job import finish, options_of
from tests.support.jobs.sort_logs import NAMES, database, forge
from tests.support.jobs.sorted_job import tree

FILES = {"a/1.png": b"one", "b/1.png": b"uno", "b/2.png": b"two"}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path / "job", FILES)


@pytest.fixture
def out(table: Path) -> Path:
    """The images of a job of this user, moved."""
    sort.sort(table, table.parent / "sorted", Way.MOVE)
    return table.parent / "sorted"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder that has nothing to do with the sort."""
    (tmp_path / "victim").mkdir()
    return tmp_path / "victim"


def undo(out: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(hangtag, ["sort", "--undo", str(out), "--quiet", *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


def forget_all() -> None:
    """As on another machine."""
    shutil.rmtree(sort_index._folder())


def refused(out: Path, tmp_path: Path) -> str:
    """The line that refuses `--undo`, which touches nothing."""
    before = tree(tmp_path)
    code, stderr = undo(out)
    assert tree(tmp_path) == before
    (line,) = stderr.splitlines()
    assert code == Exit.USAGE, line
    assert f"hangtag sort --undo {out} --back-to DIR" in line
    return line


@pytest.mark.parametrize("state", State)
def test_a_forged_entry_writes_nowhere_else(
    out: Path, tmp_path: Path, victim: Path, state: State
) -> None:
    source = os.fsencode(victim / "authorized_keys")
    forge(out, source=source, state=int(state))
    assert str(victim / "authorized_keys") in refused(out, tmp_path)
    assert os.listdir(victim) == []


def test_a_folder_whose_name_only_starts_the_same_is_another(out: Path, tmp_path: Path) -> None:
    forge(out, source=os.fsencode(f"{out.parent}/in-private/x"))
    assert "in-private/x" in refused(out, tmp_path)


def test_a_sort_settles_no_forged_entry(table: Path, out: Path, victim: Path) -> None:
    forge(out, source=os.fsencode(victim / "1.png"), state=int(State.RETURNING))
    with pytest.raises(UsageError, match="--back-to DIR"):
        sort.sort(table, out, Way.MOVE)
    with pytest.raises(UsageError, match="--back-to DIR"):
        sort.rehearse(table, out, Way.MOVE)
    assert os.listdir(victim) == []


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("source", b"%s/in/../../victim/x"),
        ("source", b"%s/in/a/."),
        ("source", b"%s/in//1.png"),
        ("source", b"in/1.png"),
        ("source", b"%s/in/a\0b"),
        ("folder", b".."),
        ("folder", b""),
        ("folder", b"a/../../victim"),
        ("name", b"../../victim/x"),
        ("name", b""),
        ("name", b"."),
    ],
)
def test_an_entry_with_a_path_that_leads_elsewhere_is_damaged(
    out: Path, tmp_path: Path, cell: str, value: bytes
) -> None:
    path = value.replace(b"%s", os.fsencode(out.parent))
    forged: dict[str, Any] = {cell: path.decode() if cell == "folder" else path}
    forge(out, **forged)
    before = tree(tmp_path)
    for options in ([], ["--back-to", str(tmp_path / "back")]):
        code, stderr = undo(out, *options)
        assert (code, tree(tmp_path)) == (Exit.SETUP, before)
        assert "the entry of row 1 of table 1 has a " in stderr


@pytest.mark.parametrize("name", ["../victim", "a/b", "..", "/tmp"])
def test_no_folder_elsewhere_is_removed(out: Path, victim: Path, name: str) -> None:
    forge(out, "made", folder=name)
    assert undo(out)[0] == Exit.SETUP
    assert victim.is_dir()


def test_a_forged_table_name_changes_no_note(out: Path, tmp_path: Path) -> None:
    note = tmp_path / "other.csv.sorted"
    note.write_text(f"{out}\n")
    forge(out, "sorting", output=str(tmp_path / "other.csv"))
    assert undo(out)[0] == Exit.OK
    assert note.read_text() == f"{out}\n"


def test_a_link_below_the_sorted_folder_leads_nowhere(out: Path, victim: Path) -> None:
    shutil.rmtree(out.parent / "in/b")
    (out.parent / "in/b").symlink_to(victim)
    code, stderr = undo(out)
    assert code == Exit.SOME_FAILED
    assert "replaced by a link" in stderr
    assert os.listdir(victim) == []


def test_a_file_beside_the_named_ones_is_no_place_to_return_to(tmp_path: Path) -> None:
    """Only the folders of files that were named one by one are known, and not those below."""
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(name.encode())
    finish(options_of(tmp_path, b"1.png", b"2.png"))
    out = tmp_path / "sorted"
    sort.sort(tmp_path / "out.csv", out, Way.MOVE)
    forge(out, source=os.fsencode(tmp_path / ".ssh/keys"))
    assert ".ssh/keys" in refused(out, tmp_path)
    forge(out, source=os.fsencode(tmp_path / "3.png"))
    assert undo(out)[0] == Exit.OK
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["2.png", "3.png"]


@pytest.mark.parametrize("way", Way)
def test_a_log_from_elsewhere_is_undone_below_a_named_folder(
    table: Path, tmp_path: Path, way: Way
) -> None:
    out, back = table.parent / "sorted", tmp_path / "back"
    sort.sort(table, out, way)
    (table.parent / "in").rename(back)
    forget_all()
    line = refused(out, tmp_path)
    assert "no sort of yours on this machine" in line
    assert undo(out, "--back-to", str(back))[0] == Exit.OK
    assert tree(back) == FILES
    assert not out.exists()
    assert not (table.parent / "in").exists()


def test_a_renamed_folder_gets_its_images_back(table: Path, out: Path, tmp_path: Path) -> None:
    """Both the images' folder and the sorted one have another name above them now."""
    table.parent.rename(tmp_path / "renamed")
    here = tmp_path / "renamed"
    assert undo(here / "sorted", "--back-to", str(here / "in"))[0] == Exit.OK
    assert tree(here / "in") == FILES
    assert not (here / "sorted").exists()
    assert not (tmp_path / "job").exists()
    assert sort_index.pending(os.fsencode(out)) is None


def test_a_moved_log_is_known(out: Path, tmp_path: Path) -> None:
    out.rename(tmp_path / "elsewhere")
    assert undo(tmp_path / "elsewhere")[0] == Exit.OK
    assert tree(out.parent / "in") == FILES
    assert not (tmp_path / "elsewhere").exists()


def test_folders_above_a_moved_folder_stay(table: Path, tmp_path: Path) -> None:
    """They may be the user's own by now."""
    out = tmp_path / "new/er/sorted"
    sort.sort(table, out, Way.MOVE)
    out.rename(tmp_path / "elsewhere")
    assert undo(tmp_path / "elsewhere")[0] == Exit.OK
    assert (tmp_path / "new/er").is_dir()
    assert not (tmp_path / "elsewhere").exists()


def test_the_replaced_folder_stays_the_same_while_images_return(
    table: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where those that are left come from one folder below it."""
    back = tmp_path / "back"
    (back / "b").mkdir(parents=True)
    (back / "b/1.png").write_bytes(b"in the way")
    assert undo(out, "--back-to", str(back))[0] == Exit.SOME_FAILED
    assert tree(back) == {"a/1.png": b"one", "b/2.png": b"two", "b/1.png": b"in the way"}
    (back / "b/1.png").unlink()
    assert undo(out, "--back-to", str(back))[0] == Exit.OK
    assert tree(back) == FILES


def test_a_log_from_elsewhere_is_not_sorted_into(table: Path, out: Path, tmp_path: Path) -> None:
    other = sorted_job.make(tmp_path / "other", {"c.png": b"c"}, job_id="testjb02")
    forget_all()
    with pytest.raises(UsageError, match="--back-to DIR"):
        sort.sort(other, out, Way.MOVE)
    assert (other.parent / "in/c.png").exists()


def test_a_named_table_makes_its_own_log_known_again(table: Path, out: Path) -> None:
    """Its journal says where its files come from."""
    forget_all()
    sort.sort(table, out, Way.MOVE)
    assert undo(out)[0] == Exit.OK
    assert tree(table.parent / "in") == FILES


def test_an_entry_of_the_index_goes_with_its_log(table: Path, out: Path) -> None:
    assert len(os.listdir(sort_index._folder())) == 1
    undo(out)
    assert os.listdir(sort_index._folder()) == []


def test_two_tables_of_one_user_share_a_folder(out: Path, tmp_path: Path) -> None:
    other = sorted_job.make(tmp_path / "other", {"c.png": b"c"}, job_id="testjb02")
    sort.sort(other, out, Way.MOVE)
    assert undo(out)[0] == Exit.OK
    assert tree(other.parent / "in") == {"c.png": b"c"}
    assert tree(out.parent / "in") == FILES
    assert sorted_into.sorted_into(other) == []


def change_meanwhile(
    monkeypatch: pytest.MonkeyPatch, out: Path, sealed: bool, **cells: Any
) -> None:
    """A program without the lock changes the log while `--undo` takes its first file back."""
    monkeypatch.setattr(placing, "BATCH_FILES", 1)

    def on_pass(name: str) -> None:
        if name == "sort.logged":
            monkeypatch.setattr(failpoints, "_on_pass", lambda name: None)
            with database(out) as log:
                row = log.execute("SELECT * FROM file WHERE row = 0").fetchone()
                new = [cells.get(name, cell) for name, cell in zip(NAMES, row, strict=False)]
                new += row[len(NAMES) : -1]
                token = log.execute("SELECT token FROM log").fetchone()[0]
                mark = seal(token, "file", *new) if sealed else row[-1]
                log.execute("DELETE FROM file WHERE row = 0")
                places = ", ".join("?" * len(row))
                log.execute(f"INSERT INTO file VALUES ({places})", (*new, mark))

    monkeypatch.setattr(failpoints, "_on_pass", on_pass)


def test_an_entry_that_is_forged_meanwhile_writes_nowhere_else(
    out: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_meanwhile(monkeypatch, out, True, source=os.fsencode(victim / "x"))
    code, stderr = undo(out)
    assert (code, os.listdir(victim)) == (Exit.USAGE, [])
    assert str(victim / "x") in stderr


def test_an_entry_that_is_damaged_meanwhile_is_not_believed(
    out: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_meanwhile(monkeypatch, out, False, source=os.fsencode(out.parent / "in/x"))
    code, stderr = undo(out)
    assert (code, "row 1 of table 1 is damaged" in stderr) == (Exit.SETUP, True)
    assert not (out.parent / "in/x").exists()


@pytest.mark.parametrize("way", [Way.LINK, Way.COPY])
def test_a_file_is_no_copy_of_itself(tmp_path: Path, way: Way) -> None:
    """By a forged entry its file comes from where it lies."""
    table = sorted_job.make(tmp_path, {"a/1.png": b"one"})
    out = tmp_path / "in"
    sorted_job.sort_before(out)
    sort.sort(table, out, way)
    (tmp_path / "in/a/1.png").unlink()
    (place,) = out.rglob("1.png")
    forge(out, source=os.fsencode(place))
    assert undo(out)[0] == Exit.SOME_FAILED
    assert place.read_bytes() == b"one"
