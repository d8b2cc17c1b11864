"""A pattern as an argument stands for what a shell would have put in its place, in byte order."""

from __future__ import annotations

import glob
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.inputs.job_options import JobOptions
from producer.jobs.empty_job import check_not_empty
from producer.output.output_path import default_output
from producer.sources.job_sources import JobSources, as_started
from producer.sources.local.root_pattern import folder_of
from producer.sources.walk import Walk
from shared.errors import SetupError, UsageError

FILES = (
    "top.png", "notes.txt", ".hidden.png", "a/1.png", "a/2.jpg", "a/notes.txt", "a/.3.png",
    "a/b/4.png", "a/b/notes", "ab/5.png", "a-b/6.png", "a.png/7.png", ".h/8.png", "c[d]/9.png",
    "c[d]/x*.png",
)  # fmt: skip
PATTERNS = (
    "*", "*.png", "*/*.png", "a*/*", "a/*.png", "a/?.*", "**/*.png", "a/**/*.png", "a/**", "**",
    "[!a]*", "*/", "a/*/*", "./a/*.png", "../{}/a/*.png", "/{}/a*/*.png", ".h*/*",
    "nothing*", "c[[]d]/*.png", "*/b",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files in folders; no pattern is the name of one."""
    folder = tmp_path_factory.mktemp("patterns")
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).touch()
    return folder


def typed(folder: Path, pattern: str) -> str:
    """The pattern with the name of the folder, or as an absolute path."""
    return pattern.replace("/{}/", f"{folder}/" if pattern[0] == "/" else f"/{folder.name}/")


def options(folder: Path, *patterns: str) -> JobOptions:
    roots = tuple(typed(folder, pattern).encode() for pattern in patterns)
    return JobOptions(roots, os.fsencode(folder), "/out.csv")


def rows(given_: JobOptions) -> list[str]:
    return [os.fsdecode(path) for _, path in Walk(JobSources(given_)).paths()]


def by_shell(folder: Path, pattern: str) -> list[str]:
    """The same by Python's glob: its files, and the images of its folders."""
    expanded = glob.glob(typed(folder, pattern), root_dir=folder, recursive=True)
    names = {name.rstrip("/") for name in expanded if name.rstrip("/")}
    prefix = os.fsdecode(folder_of(typed(folder, pattern).encode()))
    names.discard(prefix.rstrip("/"))
    folders = {name for name in names if (folder / name).is_dir()}
    found = {name for name in names if not any(name.startswith(f"{each}/") for each in folders)}
    images = {path for each in folders & found for path in rows(options(folder, each))}
    return sorted(found - folders | images, key=os.fsencode)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_gives_what_a_shell_would_in_byte_order(folder: Path, pattern: str) -> None:
    assert rows(options(folder, pattern)) == by_shell(folder, pattern)
    assert bool(rows(options(folder, pattern))) is (pattern not in ("nothing*",))


@given(pattern=st.sampled_from(PATTERNS))
def test_a_walk_of_a_pattern_resumes_after_any_file(folder: Path, pattern: str) -> None:
    given_ = as_started(options(folder, "notes.txt", pattern))
    whole = list(Walk(JobSources(given_)).paths())
    for i, place in enumerate(whole):
        assert list(Walk(JobSources(given_)).paths(after=place)) == whole[i + 1 :]


@given(patterns=st.lists(st.sampled_from(PATTERNS), min_size=2, max_size=3))
def test_a_file_that_several_patterns_match_is_one_row(folder: Path, patterns: list[str]) -> None:
    found = [os.path.realpath(folder / path) for path in rows(options(folder, *patterns))]
    assert len(found) == len(set(found))
    first = rows(options(folder, patterns[0]))
    assert rows(options(folder, *patterns))[: len(first)] == first
    assert all(
        os.path.realpath(folder / path) in found
        for pattern in patterns
        for path in rows(options(folder, pattern))
        if path.endswith(".png")
    )


def test_skipped_entries_are_those_that_the_pattern_names(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("x.jpg", "x.txt", "a/y.jpg", "a/z.txt"):
        (tmp_path / name).touch()
    (tmp_path / "link.jpg").symlink_to("x.jpg")
    (tmp_path / "out.csv.part").touch()
    given_ = JobOptions((b"*.jpg",), os.fsencode(tmp_path), str(tmp_path / "out.csv"))
    walk = Walk(JobSources(given_))
    assert ([path for _, path in walk.paths()], walk.skipped) == ([b"x.jpg"], {"links": 1})
    walk = Walk(JobSources(JobOptions((b"*",), given_.cwd, given_.output)))
    assert [path for _, path in walk.paths()] == [b"a/y.jpg", b"x.jpg", b"x.txt"]
    assert walk.skipped == {".txt": 1, "links": 1}


def test_a_name_that_exists_is_no_pattern(folder: Path) -> None:
    assert rows(options(folder, "c[d]/x*.png")) == ["c[d]/x*.png"]
    assert rows(options(folder, "c[d]")) == ["c[d]/9.png", "c[d]/x*.png"]
    started = as_started(options(folder, "c[d]/x*.png", "c[d]", "c[d"))
    assert (started.file_roots, started.pattern_roots) == ((0,), (2,))


def test_a_started_job_has_its_patterns_whatever_files_come(tmp_path: Path) -> None:
    (tmp_path / "1.png").touch()
    given_ = as_started(JobOptions((b"*.png",), os.fsencode(tmp_path), "/out.csv"))
    (tmp_path / "*.png").touch()
    JobSources(given_).check()
    assert rows(given_) == ["*.png", "1.png"]


@pytest.mark.parametrize(
    ("roots", "line"),
    [
        (["a", "a/*.png"], "a has files of a/*.png; name each image once"),
        (["a/1.png", "a/*.png"], "a/1.png has files of a/*.png; name each image once"),
        (["a/b", "*/b/*.png"], "a/b has files of */b/*.png; name each image once"),
        ([".", "a/*.png"], ". has files of a/*.png; name each image once"),
        (["absent/*.png"], "absent/*.png: No such file or directory; check the path"),
        (["notes.txt/*.png"], "notes.txt/*.png: Not a directory; check the path"),
    ],
)
def test_a_pattern_that_overlaps_or_has_no_folder_is_refused(
    folder: Path, roots: list[str], line: str
) -> None:
    with pytest.raises(UsageError) as error:
        JobSources(options(folder, *roots)).check()
    assert str(error.value) == line


def test_patterns_and_arguments_that_share_nothing_are_accepted(folder: Path) -> None:
    for roots in (["a/b", "a/*.png"], ["a/2.jpg", "a/*.png"], ["a/*.png", "ab/*.png"]):
        JobSources(options(folder, *roots)).check()
        found = rows(options(folder, *roots))
        assert len(set(found)) == len(found) > 1


def test_each_pattern_must_match_a_file(folder: Path) -> None:
    check_not_empty(JobSources(options(folder, "a/*.png", "*.png")))
    with pytest.raises(UsageError, match=r"^a/\*\.gif: no file matches; "):
        check_not_empty(JobSources(options(folder, "a/*.png", "a/*.gif")))


def test_the_folder_of_a_started_pattern_may_come_back(tmp_path: Path) -> None:
    (tmp_path / "usb").mkdir()
    (tmp_path / "usb/1.png").touch()
    given_ = as_started(JobOptions((b"usb/*.png",), os.fsencode(tmp_path), "/out.csv"))
    (tmp_path / "usb/1.png").unlink()
    (tmp_path / "usb").rmdir()
    with pytest.raises(SetupError, match=r"^usb/\*\.png: .*; a started job resumes$") as error:
        JobSources(given_).check()
    assert error.type is SetupError


def test_a_pattern_in_a_deep_folder_is_walked_in_order(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 300)
    deep.mkdir(parents=True)
    for name in ("1.png", "d/0.png"):
        (deep / name).parent.mkdir(exist_ok=True)
        (deep / name).touch()
    found = rows(JobOptions((b"**/*.png",), os.fsencode(tmp_path), "/out.csv"))
    assert [Path(path).name for path in found] == ["1.png", "0.png"]
    assert all(first < second for first, second in pairwise(found))


@pytest.mark.parametrize(
    ("pattern", "table"),
    [(b"photos/*.jpg", "photos.csv"), (b"a/b-*/x.jpg", "a.csv"), (b"*.jpg", "{}.csv")],
)
def test_a_table_is_named_like_the_folder_of_its_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: bytes, table: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_output((pattern,), b"") == table.format(tmp_path.name)
