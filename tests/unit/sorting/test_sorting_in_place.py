"""Images are sorted below the folder that they were classified in, or into a folder that has some
of them, if it was sorted into before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from producer.run.job import Job
from producer.run.new_files import NewFiles
from producer.sort_log.log import Way
from producer.sorting import placing, sort
from producer.sources import row_files
from producer.sources.job_sources import JobSources
from producer.table.job_text import Sorted, result_lines
from producer.table.verify import Proof, verify
from shared.errors import UsageError
from shared.labels.class_folders import SORT_LOG
from tests.support.jobs import sorted_job
from tests.support.jobs.finished_job import ODD, RUBBISH, finish, options_of
from tests.support.jobs.sorted_job import folders_of, sorted_tree, tree

#: Two are in their right folder, two have the name of one of these.
FILES = {
    "a.png": ODD, "failed/bad.png": RUBBISH, "flagged/odd.png": ODD, "sub/bad.png": RUBBISH,
    "z/a.png": b"one", "z/odd.png": ODD,
}  # fmt: skip
IN_PLACE = {"failed/bad.png", "flagged/odd.png"}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path, FILES)


@pytest.fixture
def pictures(table: Path) -> Path:
    return table.parent / sorted_job.FOLDER


def check(table: Path) -> Proof:
    return verify(table, deep=True)


@pytest.mark.parametrize("into", ["in", "in/sorted", "in/z", "elsewhere"])
@pytest.mark.parametrize("way", list(Way))
def test_a_sorted_table_is_proven(table: Path, into: str, way: Way) -> None:
    sorted_job.sort_before(table.parent / into)
    sort.sort(table, table.parent / into, way)
    assert check(table).problems == []


@pytest.mark.parametrize("place", [sort.sort, sort.rehearse])
@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("into", ["in", "in/z", "in/sub"])
def test_images_are_not_mixed_with_sorted_ones(
    table: Path, into: str, way: Way, place: Callable[[Path, Path, Way], Sorted]
) -> None:
    before = tree(table.parent)
    with pytest.raises(UsageError, match=f"{into} has images of out.csv.* name another folder"):
        place(table, table.parent / into, way)
    assert tree(table.parent) == before
    assert not (table.parent / into / SORT_LOG).exists()


@pytest.mark.parametrize("way", list(Way))
def test_a_folder_above_the_classified_one_is_refused_if_labels_have_its_name(
    tmp_path: Path, way: Way
) -> None:
    """Images of `flagged/` and of `photos/` would both come into `flagged/`."""
    for name, is_mixed in (("flagged", True), ("photos", False)):
        folder = tmp_path / name
        pictures = folder / "all" / name
        folder.mkdir()
        table = sorted_job.make(folder, {"a.png": ODD, "sub/b.png": ODD + b"b"}, pictures)
        before = tree(pictures)
        if is_mixed:
            with pytest.raises(UsageError, match=r"all has images of out\.csv"):
                sort.sort(table, folder / "all", way)
        else:
            assert sort.sort(table, folder / "all", way).count == 2
            assert sort.undo(folder / "all").count == 2
        assert tree(pictures) == before


@pytest.mark.parametrize("way", list(Way))
def test_a_new_folder_in_the_classified_one_is_sorted_into_again_and_taken_back(
    table: Path, pictures: Path, way: Way
) -> None:
    found = sort.sort(table, pictures / "sorted", way)
    assert sort.sort(table, pictures / "sorted", way) == found
    assert sort.undo(pictures / "sorted").stay == {}
    assert tree(pictures) == FILES


def test_what_nobody_has_placed_or_classified_has_no_row(table: Path, pictures: Path) -> None:
    sort.sort(table, pictures / "sorted", Way.MOVE)
    shutil.copy(pictures / "sorted/failed/bad.png", pictures / "sorted/failed/mine.png")
    (pictures / "a.png").write_bytes(b"new, with a former name")
    (pictures / "sorted/flagged/a.png").write_bytes(ODD + b"edited")
    lines = [line.partition(": ") for line in check(table).problems]
    assert sorted((name, why[:10]) for name, _, why in lines) == [
        (str(pictures / "sorted/flagged/a.png"), "has anothe"),
        ("in/a.png", "has no row"),
        ("in/sorted/failed/mine.png", "has no row"),
    ]


@pytest.mark.parametrize("way", list(Way))
def test_placed_images_are_no_new_files(table: Path, pictures: Path, way: Way) -> None:
    sort.sort(table, pictures / "sorted", way)
    (pictures / "new.png").touch()
    counts: list[int] = []
    options = options_of(table.parent, b"in")
    with closing(Job(options)) as job, row_files.of_table(table, options) as files:
        NewFiles(JobSources(options), job.journal, True, counts.append, files.is_placed).advance()
    assert counts == [1]


@pytest.mark.parametrize("way", list(Way))
def test_an_image_in_its_folder_stays_there(table: Path, pictures: Path, way: Way) -> None:
    wanted = folders_of(table)
    sorted_job.sort_before(pictures)
    would = sort.rehearse(table, pictures, way)
    found = sort.sort(table, pictures, way)
    assert (found.folders, found.there) == (would.folders, would.there)
    assert (found.count, found.there, found.stay) == (len(FILES), len(IN_PLACE), {})
    assert [source for source, _ in would.examples if source.endswith("/flagged/odd.png")] == []
    for name in IN_PLACE:
        assert (pictures / name).read_bytes() == FILES[name]
    assert {"flagged/a.png", "flagged/odd-2.png", "failed/bad-2.png"} <= set(tree(pictures))
    if way is Way.MOVE:
        assert sorted_tree(pictures) == wanted
    assert sort.sort(table, pictures, way) == found
    assert list(result_lines(found))[-1].startswith("4 images ")
    assert list(result_lines(found))[-1].endswith("; already there: 2")
    back = sort.undo(pictures)
    assert (back.count, back.stay) == (len(FILES) - len(IN_PLACE), {})
    assert tree(pictures) == FILES


def test_an_image_in_its_folder_that_was_edited_is_reported(table: Path, pictures: Path) -> None:
    path = pictures / "failed/bad.png"
    path.write_bytes(RUBBISH[::-1])
    sorted_job.sort_before(pictures)
    found = sort.sort(table, pictures, Way.MOVE)
    assert found.stay == {"changed since it was classified": 1}
    assert found.first == {"changed since it was classified": str(path)}
    assert found.there == len(IN_PLACE) - 1
    assert path.read_bytes() == RUBBISH[::-1]


def test_no_image_gets_the_former_place_of_another(
    table: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise an undo that is killed could not tell which of them it has found."""
    monkeypatch.setattr(placing, "BATCH_FILES", 1)
    (pictures / "flagged/odd.png").rename(pictures / "failed/odd.png")
    table.unlink()
    Path(f"{table}.hangtag").unlink()
    (pictures / "z/odd.png").write_bytes(RUBBISH)
    finish(options_of(table.parent, b"in"))
    before = tree(pictures)
    sorted_job.sort_before(pictures)
    sort.sort(table, pictures, Way.MOVE)
    assert not (pictures / "failed/odd.png").exists()
    assert (pictures / "failed/odd-2.png").read_bytes() == RUBBISH
    assert check(table).problems == []
    assert sort.undo(pictures).stay == {}
    assert tree(pictures) == before
