"""Images are sorted by what their rows display: thresholds, and labels that people gave."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.sort_log.log import Way
from producer.sorting import sort
from shared.errors import Exit, UsageError
from shared.labels.class_folders import FLAGGED, UNKNOWN
from tests.support.jobs import sorted_job
from tests.support.jobs.decided import correct
from tests.support.jobs.finished_job import ODD, RUBBISH
from tests.support.jobs.sorted_job import folders_of, some_files, sorted_tree, tree


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path, some_files())


def run(*arguments: str) -> str:
    result = CliRunner().invoke(hangtag, arguments, catch_exceptions=False)
    assert result.exit_code == Exit.OK, result.output
    return result.stdout


def test_a_label_that_is_not_accepted_is_unknown(table: Path, tmp_path: Path) -> None:
    run("table", str(table), "--min-confidence", "0.5")
    wanted = folders_of(table)
    found = sort.sort(table, tmp_path / "sorted", Way.COPY)
    assert sorted_tree(tmp_path / "sorted") == wanted
    assert 0 < found.folders[UNKNOWN] < found.count - 5


def test_other_thresholds_need_an_undo_first(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "sorted"
    sort.sort(table, out, Way.MOVE)
    run("table", str(table), "--min-confidence", "0.5")
    before = tree(out)
    with pytest.raises(UsageError, match="with other labels or thresholds"):
        sort.sort(table, out, Way.MOVE)
    assert tree(out) == before
    sort.undo(out)
    assert UNKNOWN in sort.sort(table, out, Way.MOVE).folders


def test_a_label_that_a_person_gave_decides(table: Path, tmp_path: Path) -> None:
    correct(table, b"same", "Garden gnome")
    correct(table, ODD, "Bag")
    correct(table, RUBBISH, "Bag")  # a row that failed keeps its status
    assert sort.sort(table, tmp_path / "before", Way.COPY).outdated
    run("table", str(table))
    assert not sort.sort(table, tmp_path / "sorted", Way.MOVE).outdated
    found = sorted_tree(tmp_path / "sorted")
    assert found["Garden gnome", b"same"] == 3
    assert found["Bag", ODD] == 1
    assert (FLAGGED, ODD) not in found
    assert found["failed", RUBBISH] == 2


def test_a_table_that_somebody_edited_is_refused(table: Path, tmp_path: Path) -> None:
    table.write_bytes(table.read_bytes().replace(b"Bag", b"Hat"))
    with pytest.raises(UsageError, match=r"write it again with: hangtag table .* --force"):
        sort.sort(table, tmp_path / "sorted", Way.MOVE)
    assert not (tmp_path / "sorted").exists()


class TestCommand:
    def test_it_prints_folders_and_what_to_do_next(
        self, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "in/a/0.png").unlink()
        arguments = ["sort", "out.csv", "--into", "sorted", "--move"]
        dry = CliRunner().invoke(hangtag, [*arguments, "--dry-run"])
        assert "in/a/1.png -> sorted/" in dry.stdout
        assert not (tmp_path / "sorted").exists()
        done = CliRunner().invoke(hangtag, arguments)
        assert done.exit_code == Exit.SOME_FAILED
        assert f"{len(some_files()) - 1} images moved into sorted\n" in done.stdout
        assert done.stderr.splitlines() == [
            "1 image not moved, missing: in/a/0.png",
            f"take the {len(some_files()) - 1} moved images back with: hangtag sort --undo sorted",
            "name the 1 in flagged/ with: hangtag review out.csv",
            "then undo, and sort again after: hangtag table out.csv",
        ]
        back = run("sort", "--undo", "sorted")
        assert f"{len(some_files()) - 1} images taken back from sorted\n" in back

    def test_a_dry_run_without_a_way_is_that_of_copies_and_says_so(
        self, table: Path, tmp_path: Path
    ) -> None:
        arguments = ["sort", str(table), "--into", str(tmp_path / "sorted"), "--dry-run"]
        dry = CliRunner().invoke(hangtag, arguments)
        assert dry.exit_code == Exit.OK
        assert "would be copied into" in dry.stdout
        assert "--copy" in dry.stderr
        assert not (tmp_path / "sorted").exists()

    @pytest.mark.parametrize(
        "arguments",
        [
            ["out.csv"], ["out.csv", "--into", "x"], ["--into", "x", "--copy"],
            ["out.csv", "--undo", "x"], ["--undo", "x", "--dry-run"],
        ],
    )  # fmt: skip
    def test_incomplete_options_are_refused(self, arguments: list[str]) -> None:
        result = CliRunner().invoke(hangtag, ["sort", *arguments])
        assert result.exit_code == Exit.USAGE
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("way", list(Way))
def test_a_sorted_table_is_proven(table: Path, tmp_path: Path, way: Way) -> None:
    sort.sort(table, tmp_path / "sorted", way)
    assert "proven" in run("verify", str(table), "--deep")
    if way is Way.MOVE:
        (tmp_path / "sorted/flagged/odd.png").write_bytes(b"edited, and longer")
        result = CliRunner().invoke(hangtag, ["verify", str(table)])
        assert result.exit_code == Exit.NOT_PROVEN
        assert "/sorted/flagged/odd.png: has another size or time" in result.stdout
