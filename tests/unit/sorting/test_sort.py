"""`hangtag sort` puts each image into its label's folder, writes over nothing, and undoes it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from producer.present import progress
from producer.sort_log import sorted_folder
from producer.sort_log.log import Way
from producer.sorting import sort
from producer.table.job_text import Sorted
from shared.errors import Exit, SetupError, UsageError
from shared.labels.class_folders import folded
from tests.support.jobs import sorted_job
from tests.support.jobs.finished_job import finish, options_of
from tests.support.jobs.sorted_job import folders_of, sorted_tree, tree

WAYS = list(Way)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path, sorted_job.some_files())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "sorted"


def pictures(table: Path) -> dict[str, bytes]:
    return tree(table.parent / sorted_job.FOLDER)


@pytest.mark.parametrize("way", WAYS)
def test_each_image_comes_into_the_folder_of_its_row(table: Path, out: Path, way: Way) -> None:
    before, wanted = pictures(table), folders_of(table)
    found = sort.sort(table, out, way)
    assert sorted_tree(out) == wanted
    assert pictures(table) == ({} if way is Way.MOVE else before)
    assert found.folders == Counter(folder for folder, _ in wanted.elements())
    assert found.exit_code == Exit.OK
    sources = {f.stat().st_ino for f in (table.parent / "in").rglob("*.[pP]*") if f.is_file()}
    places = {f.stat().st_ino for f in out.rglob("*.[pP]*")}
    assert (places <= sources) == (way is Way.LINK)


@pytest.mark.parametrize("way", WAYS)
def test_names_are_kept_and_no_two_are_equal_but_for_case(table: Path, out: Path, way: Way) -> None:
    sort.sort(table, out, way)
    names = sorted(tree(out))
    assert len({folded(name) for name in names}) == len(names)
    (same,) = {name.split("/")[0] for name, content in tree(out).items() if content == b"same"}
    assert [n for n in names if n.startswith(same) and tree(out)[n] == b"same"] == [
        f"{same}/IMAGE-3.PNG", f"{same}/image-2.png", f"{same}/image.png",
    ]  # fmt: skip
    assert {"failed/bad.png", "failed/bad-2.png", "flagged/odd.png"} <= set(names)


@pytest.mark.parametrize("way", WAYS)
def test_undo_brings_everything_back(table: Path, out: Path, way: Way) -> None:
    before, times = pictures(table), mtimes(table)
    sort.sort(table, out, way)
    found = sort.undo(out)
    assert found.count == len(before)
    assert found.exit_code == Exit.OK
    assert pictures(table) == before
    assert mtimes(table) == times
    assert not out.exists()
    assert sorted_folder.tokens() == []
    assert sorted(os.listdir(table.parent)) == ["in", "out.csv", "out.csv.hangtag"]


def mtimes(table: Path) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in (table.parent / "in").rglob("*") if p.is_file()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["out.csv", "in/../out.csv", "link/out.csv"])
def test_the_same_command_again_changes_nothing_however_the_table_is_typed(
    table: Path, out: Path, way: Way, name: str
) -> None:
    typed = table.parent / name
    (table.parent / "link").symlink_to(".")
    first = sort.sort(table, out, way)
    before = tree(table.parent)
    assert sort.rehearse(typed, out, way).examples == []
    assert sort.sort(typed, out, way) == first
    assert tree(table.parent) == before


@pytest.mark.parametrize("way", WAYS)
def test_a_table_has_one_sorting_wherever_it_lies(table: Path, out: Path, way: Way) -> None:
    sort.sort(table, out, way)
    images = tree(out)
    archive = table.parent / "archive"
    archive.mkdir()
    for file in table.parent.glob("out.csv*"):
        file.rename(archive / file.name)
    sort.sort(archive / table.name, out, way)
    assert tree(out) == images
    sort.undo(out)


@pytest.mark.parametrize("way", WAYS)
def test_a_dry_run_says_what_will_be_done_and_does_nothing(
    table: Path, out: Path, way: Way
) -> None:
    before = tree(table.parent)
    would = sort.rehearse(table, out, way)
    assert tree(table.parent) == before
    assert not out.exists()
    places = [Path(place) for _, place in would.examples]
    assert would.dry_run
    assert len(places) == 5
    contents = [Path(source).read_bytes() for source, _ in would.examples]
    assert sort.sort(table, out, way).folders == would.folders
    assert [place.read_bytes() for place in places] == contents
    assert sort.rehearse(table, out, way).examples == []


@pytest.mark.parametrize("way", WAYS)
def test_what_lies_in_the_folder_already_is_left_alone(table: Path, out: Path, way: Way) -> None:
    (out / "failed").mkdir(parents=True)
    (out / "failed/bad.png").write_bytes(b"foreign")
    (out / "failed/bad-2.png").symlink_to("nowhere")
    sort.sort(table, out, way)
    assert (out / "failed/bad.png").read_bytes() == b"foreign"
    assert os.readlink(out / "failed/bad-2.png") == "nowhere"
    assert (out / "failed/bad-3.png").exists()
    assert (out / "failed/bad-4.png").exists()
    sort.undo(out)
    assert sorted(os.listdir(out)) == ["failed"]
    assert sorted(os.listdir(out / "failed")) == ["bad-2.png", "bad.png"]


@pytest.mark.parametrize("work", [sort.rehearse, sort.sort])
def test_the_rows_that_are_read_first_are_counted_too(
    table: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    work: Callable[[Path, Path, Way], Sorted],
) -> None:
    for wait in ("DISPLAY_AFTER_S", "PLAIN_EVERY_S"):
        monkeypatch.setattr(progress, wait, 0)
    done = work(table, out, Way.COPY)
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("reading: ")
    count = sum(done.folders.values()) or len(pictures(table))
    assert last.startswith(f"{count} of {count} done")


def test_sorted_otherwise_is_refused_until_it_is_undone(table: Path, out: Path) -> None:
    sort.sort(table, out, Way.COPY)
    with pytest.raises(UsageError, match=r"by --copy; take them back first with: .* --undo"):
        sort.sort(table, out, Way.MOVE)
    sort.undo(out)
    sort.sort(table, out, Way.MOVE)
    assert pictures(table) == {}


def test_two_tables_share_a_folder(tmp_path: Path, out: Path) -> None:
    tables = []
    for job in ("testjb01", "testjb02"):
        (tmp_path / job).mkdir()
        tables.append(sorted_job.make(tmp_path / job, sorted_job.some_files(), job_id=job))
    before = tree(tmp_path)
    wanted = folders_of(tables[0]) + folders_of(tables[1])
    for one in tables:
        sort.sort(one, out, Way.MOVE)
    assert sorted_tree(out) == wanted
    sort.undo(out)
    assert tree(tmp_path) == before


def test_files_of_any_name_are_sorted(tmp_path: Path, out: Path) -> None:
    long, cut = "ä" * 125 + ".png", "ä" * 124 + "-2.png"
    names = [b"=1.png", b"a\nb.png", b"caf\xe9.png", b"CON.png", b"x.PNG", os.fsencode(long)]
    for folder in (b"in/a", b"in/b"):
        os.makedirs(os.path.join(os.fsencode(tmp_path), folder))
        for name in names:
            Path(tmp_path, os.fsdecode(folder), os.fsdecode(name)).write_bytes(b"one")
    finish(options_of(tmp_path, b"in"))
    table = tmp_path / "out.csv"
    before = pictures(table)
    assert sort.sort(table, out, Way.MOVE).stay == {}
    found = {os.fsencode(name.split("/")[1]) for name in tree(out)}
    assert set(names) <= found
    assert {b"caf\xe9-2.png", b"x-2.PNG", os.fsencode(cut)} <= found
    sort.undo(out)
    assert pictures(table) == before


def test_a_link_where_a_label_has_its_folder_is_refused(table: Path, out: Path) -> None:
    (table.parent / "elsewhere").mkdir()
    out.mkdir()
    (out / "failed").symlink_to(table.parent / "elsewhere")
    before = pictures(table)
    with pytest.raises(SetupError, match="failed cannot be used"):
        sort.sort(table, out, Way.MOVE)
    assert pictures(table) == before
    assert os.listdir(table.parent / "elsewhere") == []
