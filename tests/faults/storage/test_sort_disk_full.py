"""`hangtag sort` on full and read-only disks: one line, no image lost, the same command goes on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.sort_log.log import Way
from shared.errors import Exit
from tests.support.jobs import sorted_job
from tests.support.jobs.sorted_job import folders_of, sorted_tree, tree
from tests.support.machine.small_disk import Disk, mounted

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="needs root, to mount a small disk"),
    pytest.mark.shipped_model,  # no model is loaded
]

#: Some larger than a page, so that a copy can end in its middle.
FILES = {f"a/{i}.png": f"image {i}".encode() * 2_000 for i in range(9)} | {"b/1.png": b"small"}
ROOM = "2m"
#: Free bytes, from none to more than the log and all images need.
LEFT = (*range(0, 80_000, 4_096), *range(80_000, 320_000, 16_384))


def run(*arguments: str) -> tuple[int, str]:
    """Run `hangtag sort`; returns its exit code and standard error."""
    result = CliRunner().invoke(hangtag, ["sort", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


def refused(*arguments: str) -> None:
    code, stderr = run(*arguments)
    assert code == Exit.SETUP, stderr
    (line,) = stderr.splitlines()
    assert "No space left" in line or "disk is full" in line or "Read-only" in line, line


@pytest.fixture(params=["log elsewhere", "log there"])
def disk(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Disk]:
    """The disk that is full, with the log of the sort or without it."""
    with mounted(tmp_path / "disk", ROOM) as disk:
        there = request.param == "log there"
        monkeypatch.setenv("XDG_STATE_HOME", str(disk.folder / "state" if there else tmp_path))
        yield disk


@pytest.fixture(params=["one disk", "two disks"])
def table(request: pytest.FixtureRequest, tmp_path: Path, disk: Disk) -> Path:
    """The images are on the disk that is full, or elsewhere."""
    (tmp_path / "job").mkdir()
    one = request.param == "one disk"
    return sorted_job.make(tmp_path / "job", FILES, (disk.folder if one else tmp_path) / "in")


def pictures(table: Path, disk: Disk) -> dict[str, bytes]:
    here = disk.folder / "in"
    return tree(here if here.exists() else table.parent.parent / "in")


def logs_are_on(disk: Disk) -> bool:
    return Path(os.environ["XDG_STATE_HOME"]).is_relative_to(disk.folder)


def contents(table: Path, disk: Disk, out: Path) -> Counter[bytes]:
    return Counter(pictures(table, disk).values()) + Counter(tree(out).values())


@pytest.mark.parametrize("way", list(Way))
def test_a_full_disk_loses_nothing_and_the_same_command_goes_on(
    table: Path, disk: Disk, way: Way
) -> None:
    out = disk.folder / "sorted"
    before, wanted = pictures(table, disk), folders_of(table)
    arguments = (str(table), "--into", str(out), f"--{way}")
    if way is Way.LINK and not (disk.folder / "in").exists():
        code, stderr = run(*arguments)
        assert (code, "--copy" in stderr, out.exists()) == (Exit.USAGE, True, False)
        return
    ended = Counter[int]()
    for left in LEFT:
        disk.fill(left)
        code, stderr = run(*arguments)
        ended[code] += 1
        assert not Counter(before.values()) - contents(table, disk, out), left
        assert not [path for path in tree(out) if "/.hangtag" in path], left
        if code != Exit.OK:
            assert code == Exit.SETUP, stderr
            assert len(stderr.splitlines()) == 1
            assert "No space left" in stderr or "disk is full" in stderr
        disk.free()
        assert run(*arguments)[0] == Exit.OK
        assert sorted_tree(out) == wanted
        assert run("--undo", str(out))[0] == Exit.OK
        assert pictures(table, disk) == before
        assert not out.exists() or os.listdir(out) == []  # without a log nobody knows who made it
    # A rename or a link needs room for the names alone where the log is on another disk.
    names_alone = way is not Way.COPY and (disk.folder / "in").exists() and not logs_are_on(disk)
    assert ended[Exit.SETUP] >= (1 if names_alone else 2)
    assert ended[Exit.OK] >= 2


@pytest.mark.parametrize("way", [Way.COPY, Way.MOVE])
def test_taking_back_on_a_full_disk_loses_nothing(table: Path, disk: Disk, way: Way) -> None:
    out = table.parent.parent / "elsewhere"
    before = pictures(table, disk)
    ended = Counter[int]()
    for left in LEFT[::3]:
        assert run(str(table), "--into", str(out), f"--{way}")[0] == Exit.OK
        disk.fill(left)
        code, _ = run("--undo", str(out))
        ended[code] += 1
        assert not Counter(before.values()) - contents(table, disk, out), left
        disk.free()
        if code != Exit.OK:
            assert run("--undo", str(out))[0] == Exit.OK
        assert pictures(table, disk) == before
        assert not out.exists()
    assert ended[Exit.OK]


@pytest.mark.parametrize("disk", ["log elsewhere"], indirect=True)
def test_a_read_only_source_is_refused_and_can_be_copied(tmp_path: Path, disk: Disk) -> None:
    (tmp_path / "job").mkdir()
    table = sorted_job.make(tmp_path / "job", FILES, disk.folder / "in")
    wanted = folders_of(table)
    disk.read_only()
    try:
        refused(str(table), "--into", str(tmp_path / "sorted"), "--move")
        assert tree(disk.folder / "in") == FILES
        assert tree(tmp_path / "sorted") == {}
        assert run(str(table), "--into", str(tmp_path / "sorted"), "--copy")[0] == Exit.OK
        assert sorted_tree(tmp_path / "sorted") == wanted
    finally:
        disk.writable()
