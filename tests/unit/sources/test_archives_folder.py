"""`--archives`: archives in a folder are walked as the same folder with each of them unpacked. The
kind of an argument is decided once, when its job starts."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from producer.job.job_options import JobOptions, encode_options
from producer.job.job_properties import PropertyValues
from producer.sources.job_sources import JobSources, Walk, WalkPosition
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import NO_STAMP
from tests.support.archives.archive_rows import rows_of

#: The members of each archive; the names beside archives sort before, between and after theirs.
MEMBERS = ("b/c.png", "a.png", "z.jpg", "notes.txt", ".hidden.png")
FILES = (
    "a.png",
    "m.zi",
    "m.zip-x.png",
    "m.zip.png",
    "o.tar/q.png",
    "sub/q.png",
    "z.png",
    "notes.txt",
)
ARCHIVES = ("m.zip", "sub/deep/n.tar", "sub/deep/o.tar.gz", ".secret.zip", "sub/M.ZIP")


def content(name: str) -> bytes:
    return f"the bytes of {name}".encode()


def pack(path: Path, members: tuple[str, ...] = MEMBERS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path, "w") as made:
            for name in members:
                made.writestr(name, content(name))
        return
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for name in sorted(members):  # a compressed tar has its own order
            info = tarfile.TarInfo(name)
            info.size = len(content(name))
            tar.addfile(info, io.BytesIO(content(name)))


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    """`packed` with archives, `plain` with the same in folders of their names."""
    for name in FILES:
        for top in ("packed", "plain"):
            path = tmp_path / top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content(name))
    for archive in ARCHIVES:
        pack(tmp_path / "packed" / archive)
        for name in MEMBERS:
            path = tmp_path / "plain" / archive / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content(name))
    return tmp_path


def sources(cwd: Path, typed: str = "packed", archives: bool = True, glob: str = "") -> JobSources:
    return JobSources(
        JobOptions((os.fsencode(typed),), bytes(cwd), "/out.csv", glob, archives=archives)
    )


def paths(job: JobSources, after: WalkPosition | None = None) -> Iterator[WalkPosition]:
    return Walk(job).paths(after)


def unpacked(place: WalkPosition) -> WalkPosition:
    return place[0], place[1].replace(b"packed", b"plain", 1)


@pytest.mark.parametrize("glob", ["", "*.png", "m.zip/b/*", "sub/*"])
def test_names_are_those_of_the_same_folder_with_its_archives_unpacked(
    cwd: Path, glob: str
) -> None:
    packed, plain = Walk(sources(cwd, glob=glob)), Walk(sources(cwd, "plain", False, glob))
    names = [unpacked(place) for place in packed.paths()]
    assert names == list(plain.paths())
    assert names
    assert packed.skipped == plain.skipped


def test_a_walk_resumes_after_each_name(cwd: Path) -> None:
    job = sources(cwd)
    whole = list(paths(job))
    for i, place in enumerate(whole):
        assert list(paths(job, place)) == whole[i + 1 :]


def test_bytes_and_stamps_are_those_of_members_and_files(cwd: Path) -> None:
    job = sources(cwd)
    stamps = {name: stamp for _, name, stamp in Walk(job).stamps()}
    for _, name in paths(job):
        source, path = job.source_of(name), os.fsdecode(name)
        inside = next((a for a in ARCHIVES if path.startswith(f"packed/{a}/")), "")
        relative = path.removeprefix(f"packed/{inside}").lstrip("/")
        assert source.read(name, MAX_FILE_BYTES) == (content(relative), stamps[name])
        assert source.stamp(name) == stamps[name]
        assert not source.is_missing(name)
        local = source.local_path(name)
        assert local == (None if inside else os.fsencode(cwd / path))
        alone = rows_of(cwd / "packed" / inside) if inside else None
        assert alone is None or alone.stamps[relative] == stamps[name]
    for gone in (b"packed/m.zip/gone.png", b"packed/a.png/gone.png"):
        assert job.source_of(gone).read(gone, MAX_FILE_BYTES) == (Status.MISSING, NO_STAMP)


def test_without_the_option_archives_in_folders_are_skipped_files(cwd: Path) -> None:
    walk = Walk(sources(cwd, archives=False))
    assert [path for _, path in walk.paths() if b".zip/" in path] == []
    assert walk.skipped[".zip"] == 2


def test_a_damaged_archive_costs_its_own_rows_and_is_reported(cwd: Path) -> None:
    whole = list(paths(sources(cwd)))
    archive = cwd / "packed/m.zip"
    archive.write_bytes(archive.read_bytes()[:-30])
    reports: list[bytes] = []
    walk = Walk(sources(cwd), lambda folder, why: reports.append(folder))
    rest = list(walk.paths())
    assert rest == [place for place in whole if not place[1].startswith(b"packed/m.zip/")]
    assert reports == [b"packed/m.zip"]
    assert walk.unlisted.count == 1


def options(folder: Path, *roots: bytes) -> JobOptions:
    return JobOptions(roots, bytes(folder), "/out.csv")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.png", b"a")
    return path


def test_an_archive_stays_one_when_a_folder_has_its_name(archive: Path) -> None:
    (archive.parent / "in").mkdir()
    started = JobSources(options(archive.parent, b"in", b"x.zip")).options
    archive.unlink()
    archive.mkdir()
    (archive / "b.png").write_bytes(b"b")
    resumed = JobSources(PropertyValues({"options": encode_options(started)}).options)
    with pytest.raises(SetupError, match=r"x\.zip cannot be read"):
        next(Walk(resumed).paths())


def test_a_kind_that_only_a_newer_version_has_is_refused_in_one_line(tmp_path: Path) -> None:
    newer = msgspec.structs.replace(options(tmp_path, b"a"), file_roots=(), kinds=("tape",))
    with pytest.raises(SetupError, match=r"reads no images from 'tape'; update it"):
        JobSources(newer).check()
