"""The walk finds every image once, in the byte order of full paths, from any starting point."""

from __future__ import annotations

import fnmatch
import os
import shutil
import sys
import tempfile
import tracemalloc
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from producer.job import journal
from producer.job.job_options import JobOptions
from producer.job.skipped import HIDDEN, LINK, NO_ENDING, SPECIAL, VANISHED
from producer.sources import folder_walk
from producer.sources.job_sources import JobSources, Walk
from producer.table.output_path import PART_SUFFIX
from shared.atomic_file import DRAFT_SUFFIX
from shared.errors import SetupError, UsageError
from shared.image_formats import has_image_ending
from shared.labels import labels_file

#: Names that sort differently beside "/", are hidden, or cannot be decoded.
STEMS = [
    b"a",
    b"b",
    b"a-",
    b"a.b",
    b"a0",
    b" ",
    b"-x",
    b".a",
    b"\xff",
    b"\n",
    "\N{SNOWMAN}".encode(),
]
SUFFIXES = [b"", b".", b".png", b".PNG", b".jpeg", b".tiff", b".HEIC", b".txt", b".png.txt"]
JPEG_START = b"\xff\xd8\xff\xe0"
names = st.builds(bytes.__add__, st.sampled_from(STEMS), st.sampled_from(SUFFIXES))
#: A tree: each name with its kind; a folder is a dictionary.
kinds = st.sampled_from(["file", "file", "file", "jpeg", "link", "link to a folder", "fifo"])
trees = st.recursive(
    st.dictionaries(names, kinds, max_size=4),
    lambda inner: st.dictionaries(names, st.one_of(kinds, inner), max_size=5),
    max_leaves=12,
)
Tree = dict[bytes, object]


@contextmanager
def planted(tree: Tree) -> Iterator[bytes]:
    """A folder that holds the tree as `top`, and an image as the target of links."""
    folder = tempfile.mkdtemp().encode()
    try:
        (Path(os.fsdecode(folder)) / "elsewhere.png").write_bytes(b"")
        plant(folder + b"/top", tree)
        yield folder
    finally:
        shutil.rmtree(folder)


def plant(folder: bytes, tree: Tree) -> None:
    os.mkdir(folder)
    for name, kind in tree.items():
        path = folder + b"/" + name
        if isinstance(kind, dict):
            plant(path, kind)
        elif kind == "file":
            os.close(os.open(path, os.O_CREAT))
        elif kind == "jpeg":
            Path(os.fsdecode(path)).write_bytes(JPEG_START)
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            os.symlink(b"/" if kind == "link to a folder" else b"elsewhere.png", path)


def image_paths(tree: Tree, folder: bytes) -> Iterator[bytes]:
    """The oracle: every image below a folder, in any order."""
    for name, kind in tree.items():
        if name.startswith(b"."):
            continue
        if isinstance(kind, dict):
            yield from image_paths(kind, folder + b"/" + name)
        elif is_row(name, kind):
            yield folder + b"/" + name


def is_row(name: bytes, kind: object) -> bool:
    """Whether a file that is not hidden is a row: by its ending, or by its bytes without one."""
    return (kind in ("file", "jpeg") and has_image_ending(name)) or (
        kind == "jpeg" and (b"." not in name or name.endswith(b"."))
    )


def skipped_files(tree: Tree) -> Counter[str]:
    """The oracle: the skipped files, by reason."""
    count: Counter[str] = Counter()
    for name, kind in tree.items():
        wanted = has_image_ending(name)
        if name.startswith(b"."):
            count[HIDDEN] += 1
        elif isinstance(kind, dict):
            count += skipped_files(kind)
        elif kind == "link to a folder" or (wanted and kind == "link"):
            count[LINK] += 1
        elif wanted and kind == "fifo":
            count[SPECIAL] += 1
        elif kind in ("file", "jpeg") and not is_row(name, kind):
            suffix = os.path.splitext(os.fsdecode(b"x" + name))[1]
            count[suffix.lower() if len(suffix) > 1 else NO_ENDING] += 1
    return count


def options(
    cwd: bytes, *roots: bytes, glob: str | tuple[str, ...] = "", list_file: bytes = b""
) -> JobOptions:
    return JobOptions(roots, cwd, "/out.csv", glob=glob, list_file=list_file)


@given(trees)
def test_resuming_after_any_path_gives_exactly_the_rest(tree: Tree) -> None:
    with planted(tree) as cwd:
        given_ = options(cwd, b"elsewhere.png", b"top")
        whole = list(Walk(JobSources(given_)).paths())
        for i, place in enumerate(whole):
            assert list(Walk(JobSources(given_)).paths(after=place)) == whole[i + 1 :]


@pytest.mark.parametrize("run_names", [1, 2, 3, 1000])
@given(tree=trees)
def test_a_directory_is_in_order_however_many_runs_of_names_it_takes(
    tree: Tree, run_names: int
) -> None:
    with planted(tree) as cwd, pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder_walk, "RUN_NAMES", run_names)
        walk = Walk(JobSources(options(cwd, b"top")))
        assert list(walk.paths()) == [(0, path) for path in sorted(image_paths(tree, b"top"))]
        assert walk.skipped == dict(skipped_files(tree))
        every = [path for _, path in Walk(JobSources(options(cwd, b"top", glob="*"))).paths()]
        assert every == sorted(every)  # also where one name is the prefix of another


def test_the_memory_of_a_large_directory_is_little_more_than_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_walk, "RUN_NAMES", 1 << 12)
    count = 3 * folder_walk.RUN_NAMES
    for i in range(count):
        os.close(os.open(tmp_path / f"IMG_2024_{i:08}.png", os.O_CREAT))
    tracemalloc.start()
    try:
        entries = folder_walk.listing(bytes(tmp_path))
        held, peak = tracemalloc.get_traced_memory()
        assert sum(1 for _ in entries) == count
    finally:
        tracemalloc.stop()
    packed = count * len("IMG_2024_00000000.png__")
    print(f"{count:,} names: {packed:,} bytes packed, {held:,} held, {peak:,} at most")
    assert held < 1.1 * packed
    assert peak < packed + folder_walk.RUN_NAMES * 200


@given(trees, st.sampled_from(["*.txt", "a*", "[!a]*", "*", "?.png", "a/*", "*/b.png"]))
def test_a_glob_matches_names_or_with_a_slash_paths_below_the_folder(tree: Tree, glob: str) -> None:
    with planted(tree) as cwd:
        found = {path for _, path in Walk(JobSources(options(cwd, b"top", glob=glob))).paths()}
        whole = {path for _, path in Walk(JobSources(options(cwd, b"top", glob="*"))).paths()}
        for path in whole:
            below = path.removeprefix(b"top/")
            judged = below if "/" in glob else below.rpartition(b"/")[2]
            assert (path in found) == fnmatch.fnmatchcase(judged, glob.encode())
        assert found <= whole


@example([b"-://a.png"])
@given(
    st.lists(
        st.binary(max_size=6).filter(lambda line: b"\n" not in line and b"\0" not in line),
        max_size=8,
    )
)
def test_a_list_is_read_in_order_and_resumes_after_any_line(lines: list[bytes]) -> None:
    with planted({}) as cwd:
        with open(cwd + b"/list", "wb") as file:
            file.write(b"\n".join(lines))
        given_ = options(cwd, list_file=b"list")
        JobSources(given_).check()
        whole = list(Walk(JobSources(given_)).paths())
        assert [path for _, path in whole] == [
            line.rstrip(b"\r") for line in lines if line.rstrip(b"\r")
        ]
        for i, place in enumerate(whole):
            assert list(Walk(JobSources(given_)).paths(after=place)) == whole[i + 1 :]


@given(st.lists(st.binary(max_size=6).filter(lambda name: b"\0" not in name), max_size=8))
@example([BOM_UTF8 + b".png"])
def test_names_that_end_with_nul_may_have_any_other_bytes(names: list[bytes]) -> None:
    with planted({}) as cwd:
        with open(cwd + b"/list", "wb") as file:
            file.write(b"".join(name + b"\0" for name in names))
        given_ = msgspec.structs.replace(options(cwd, list_file=b"list"), list0=True)
        JobSources(given_).check()
        whole = list(Walk(JobSources(given_)).paths())
        assert [path for _, path in whole] == [name for name in names if name]
        for i, place in enumerate(whole):
            assert list(Walk(JobSources(given_)).paths(after=place)) == whole[i + 1 :]


def test_a_vanished_folder_is_counted_and_the_walk_continues(
    tmp_path: Path,
) -> None:
    for folder in ("a", "b"):
        (tmp_path / "top" / folder).mkdir(parents=True)
        (tmp_path / "top" / folder / "1.png").touch()
    reported: list[bytes] = []
    walk = Walk(
        JobSources(options(bytes(tmp_path), b"top")), lambda folder, why: reported.append(folder)
    )
    paths = walk.paths()
    assert next(paths) == (0, b"top/a/1.png")
    shutil.rmtree(tmp_path / "top/b")
    assert list(paths) == []
    assert walk.skipped == {VANISHED: 1}
    assert reported == []


def test_a_walk_that_resumes_counts_no_folder_before_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "top/a").mkdir(parents=True)
    for name in "bc":
        (tmp_path / f"top/{name}.png").touch()
    monkeypatch.chdir(tmp_path / "top/a")
    for _ in range(17):  # the path of the last one is too long to list it
        os.mkdir("d" * 250)
        os.chdir("d" * 250)
    for after, rows, unlisted in ((None, 2, 1), ((0, b"top/b.png"), 1, 0)):
        walk = Walk(JobSources(options(bytes(tmp_path), b"top")))
        assert len(list(walk.paths(after))) == rows
        assert walk.unlisted.count == unlisted


@pytest.mark.parametrize(
    ("name", "now", "of_new", "of_started"),
    [
        ("folder", "absent", UsageError, SetupError),
        ("folder", "folder", SetupError, SetupError),
        ("scan", "absent", UsageError, None),
        ("scan", "scan", SetupError, SetupError),
    ],
)
def test_only_a_file_of_a_started_job_may_be_gone(
    tmp_path: Path, name: str, now: str, of_new: type | None, of_started: type | None
) -> None:
    """A link to itself is there, and cannot be read."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "scan").touch()
    new = options(bytes(tmp_path), b"folder", b"scan")
    started = JobSources(new).options
    (tmp_path / name).rename(tmp_path / "elsewhere")
    (tmp_path / name).symlink_to(now)
    for given_, expected in ((new, of_new), (started, of_started)):
        error: type | None = None
        try:
            JobSources(given_).check()
        except SetupError as refused:
            error = type(refused)
        assert error is expected


def test_a_typed_folder_that_vanishes_before_its_turn_ends_the_walk(tmp_path: Path) -> None:
    """It is no row `missing`: a disk may be unplugged. A typed file is."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").touch()
    (tmp_path / "scan").touch()
    given_ = options(bytes(tmp_path), b"a", b"scan", b"b")
    walk, resumed = (
        Walk(JobSources(given_)).paths(),
        Walk(JobSources(given_)).paths(after=(2, b"b/0.png")),
    )
    assert next(walk) == (0, b"a/1.png")
    (tmp_path / "scan").unlink()
    shutil.rmtree(tmp_path / "b")
    assert next(walk) == (1, b"scan")
    for paths in (walk, resumed):
        with pytest.raises(SetupError, match=r"^b cannot be listed \(No such file or directory\)"):
            next(paths)


@pytest.mark.parametrize(
    "roots",
    [
        (b"a", b"a"),
        (b"a", b"a/b"),
        (b"a/b", b"a"),
        (b"a/b/1.png", b"a"),
        (b"a", b"./a/"),
        (b"a", b"link"),
        (b"link/b", b"a"),
        (b".", b"a"),
        (b"/", b"a"),
    ],
)
def test_overlapping_arguments_are_refused(tmp_path: Path, roots: tuple[bytes, ...]) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/1.png").touch()
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(UsageError, match=r"lies within|is the same as"):
        JobSources(options(bytes(tmp_path), *roots)).check()


@pytest.mark.parametrize("typed", [b"top", b"top/sub", b"link"])
def test_the_output_and_what_lies_beside_it_are_no_entries(tmp_path: Path, typed: bytes) -> None:
    """Only there: another folder, or another name, may have such files."""
    (tmp_path / "top/sub/below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("top")
    journals = (journal.SUFFIX, *(journal.SUFFIX + more for more in ("-wal", "-shm", ".log")))
    others = (PART_SUFFIX, labels_file.TABLE_SUFFIX, ".sorted")
    for ending in ("", DRAFT_SUFFIX, PART_SUFFIX + DRAFT_SUFFIX, *journals, *others):
        (tmp_path / f"top/sub/out.csv{ending}").touch()
    for name in ("top/sub/out.csv.png", "top/sub/my-out.csv", "top/sub/below/out.csv"):
        (tmp_path / name).touch()
    for glob, found in (("*", 3), ("", 1)):
        given_ = msgspec.structs.replace(
            options(bytes(tmp_path), typed, glob=glob), output=str(tmp_path / "top/sub/out.csv")
        )
        walk = Walk(JobSources(given_))
        assert sum(1 for _ in walk.paths()) == found
        assert walk.skipped == ({} if glob else {".csv": 2})


def test_a_folder_named_like_an_archive_is_walked(tmp_path: Path) -> None:
    (tmp_path / "photos.7z").mkdir()
    (tmp_path / "photos.7z" / "a.png").touch()
    sources = JobSources(JobOptions((b"photos.7z",), os.fsencode(tmp_path), "out.csv"))
    sources.check()
    assert [name for _, name in Walk(sources).paths()] == [b"photos.7z/a.png"]


def test_deeply_nested_folders_are_walked(tmp_path: Path) -> None:
    depth = 700  # two calls for each would be too many; pytest removes the folders with one
    assert depth < sys.getrecursionlimit() < 2 * depth
    expected = []
    path = bytes(tmp_path / "top")
    for level in range(depth):
        os.mkdir(path)
        expected.append((0, b"top" + b"/d" * level + b"/a.png"))
        os.close(os.open(path + b"/a.png", os.O_CREAT))
        path += b"/d"
    given_ = options(bytes(tmp_path), b"top")
    assert list(Walk(JobSources(given_)).paths()) == sorted(expected)
    half = sorted(expected)[depth // 2]
    assert list(Walk(JobSources(given_)).paths(half)) == sorted(expected)[depth // 2 + 1 :]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_with_a_byte_order_mark_is_refused(tmp_path: Path, encoding: str) -> None:
    """The mark would be a part of the first path."""
    (tmp_path / "list").write_text("a.png\n", encoding=encoding)
    with pytest.raises(UsageError, match=r"^list .*save it as UTF-8 without one$"):
        JobSources(options(bytes(tmp_path), list_file=b"list")).check()


def test_an_address_in_the_list_of_a_job_of_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"a.png\n")
    started = JobSources(options(bytes(tmp_path), list_file=b"list"))
    (tmp_path / "list").write_bytes(b"a.png\nhttps://a.example/b.jpg?SECRET\n")
    with pytest.raises(UsageError, match=r"^list has addresses of https, and had none") as refused:
        list(Walk(started).paths())
    assert "SECRET" not in str(refused.value)


def test_files_with_names_like_addresses_are_files(tmp_path: Path) -> None:
    names = [b"s3://bucket/1.png", b"my s3://bucket/2.png"]
    for name in names:
        path = tmp_path / name.decode()
        path.parent.mkdir(parents=True)
        path.write_bytes(name)
    (tmp_path / "list").write_bytes(b"\n".join(names))
    cwd = bytes(tmp_path)
    folders = b"s3://bucket", b"my s3://bucket/"
    for given_ in (options(cwd, *names), options(cwd, *folders), options(cwd, list_file=b"list")):
        sources = JobSources(given_)
        sources.check()
        found = [name for _, name in Walk(sources).paths()]
        assert [sources.source_of(name).read(name, 99)[0] for name in found] == names


@pytest.mark.parametrize("before", [b" ", b"\t", b'"', b"1,"])
def test_an_address_behind_other_characters_is_refused(tmp_path: Path, before: bytes) -> None:
    (tmp_path / "list").write_bytes(before + b"https://a.example/b.jpg?SECRET\n")
    with pytest.raises(UsageError, match="one address a line") as refused:
        JobSources(options(bytes(tmp_path), list_file=b"list")).check()
    assert "SECRET" not in str(refused.value)
