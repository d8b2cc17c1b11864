"""`hangtag sort` and `--undo` lose nothing in a power failure: the order of writes, syncs, renames
and removals, on one disk and between two.

The commands run unchanged under strace; `tests/support/durability/disk_model.py` computes what
would be lost at each moment.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from producer.sort_log import sorted_folder
from producer.sort_log.log import Way
from producer.sorting import sort
from shared.labels.class_folders import SORT_LOG
from tests.support.archives.archive_writers import write
from tests.support.durability import syscall_trace
from tests.support.durability.disk_model import Disk
from tests.support.durability.syscall_trace import Call
from tests.support.jobs import sorted_job
from tests.support.jobs.finished_job import finish, options_of
from tests.support.jobs.sorted_job import tree
from tests.support.machine.small_disk import mounted
from tests.support.processes.fleet import ROOT

#: No model is loaded.
pytestmark = pytest.mark.shipped_model

FILES = {f"{folder}/{i}.png": f"image {folder}{i}".encode() for folder in "ab" for i in range(3)}
KILLED = 70
#: Batches of two files.
COMMAND = f"""
import os, sys
from pathlib import Path
from producer.sorting import placing, sort
from producer.sort_log.log import Way
from shared import failpoints
placing.BATCH_FILES = 2
act, table, out, way, killed_at = sys.argv[1:]
failpoints.watch(lambda name: name == killed_at and os._exit({KILLED}))
if act == "sort":
    sort.sort(Path(table), Path(out), Way(way))
else:
    sort.undo(Path(out))
"""
CASES = [(Way.MOVE, 2), (Way.MOVE, 1), (Way.COPY, 1), (Way.LINK, 1)]


class Stage:
    """A job, the folder for its images, and the model of the disks."""

    def __init__(self, table: Path, there: Path, way: Way) -> None:
        here, state = table.parent, Path(os.environ["XDG_STATE_HOME"])
        self.table, self.out, self.way = table, there / "sorted", way
        self.images = here / "in"
        self._disk, self._folders = Disk(here, there, state), (self.images, self.out)
        self._logs, self._id = f"{sorted_folder.state_folder()}/", str(self.out / SORT_LOG)
        self.seen: dict[str, int] = {"logged": 0, "touched": 0, "removed": 0, "forgotten": 0}

    def run(self, act: str, trace: Path, killed_at: str = "") -> None:
        """Run a command, and check each of its calls."""
        arguments = (COMMAND, act, str(self.table), str(self.out), self.way, killed_at)
        ran = subprocess.run(
            [*syscall_trace.command(trace), sys.executable, "-c", *arguments], cwd=ROOT, check=False
        )
        assert ran.returncode == (KILLED if killed_at else 0)
        for call in syscall_trace.calls(trace):
            self._check(call)
            self._disk.apply(call)
        if not killed_at:
            assert self._disk.at_risk == set()
            assert not self._images(self._disk.removed)

    def _check(self, call: Call) -> None:
        paths = [os.fsdecode(string) for string in call.strings if string.startswith(b"/")]
        if call.name in ("write", "pwrite64") and self._is_log(call.path):
            self.seen["logged"] += 1
            assert not self._images(self._disk.at_risk), "the log says more than is done"
            assert not self._images(self._disk.removed), "a removed file may come back"
        elif call.name.startswith("unlink") and paths[0].startswith(self._logs):
            self.seen["forgotten"] += 1
            assert not self._images(self._disk.at_risk | self._disk.removed)
        elif call.name.startswith("unlink") and self._images(set(paths)):
            self.seen["removed"] += 1
            unsafe = {path for path in self._disk.at_risk if not path.endswith(".aside")}
            assert not self._images(unsafe), "a file is removed before its copy is safe"
        elif self._changes(call) and self._images(set(paths)):
            self.seen["touched"] += 1
            unsafe = {path for path in self._disk.at_risk if path.startswith(self._logs)}
            assert not unsafe, "a file is touched before the log says so"
        elif call.name.startswith("mkdir") and paths == [str(self.out)]:
            assert self._disk.at_risk == set(), "a folder is made that no record may know"

    def _is_log(self, path: str) -> bool:
        """Whether a file is a log, and not the record of the folder."""
        return path.startswith(self._logs) and "-" in os.path.basename(path)

    def _changes(self, call: Call) -> bool:
        return call.name.startswith(("rename", "link")) or "O_CREAT" in call.flags

    def _images(self, paths: set[str]) -> list[str]:
        """Images, copies that are not complete, and folders of labels."""
        below = tuple(f"{folder}/" for folder in self._folders)
        return [p for p in paths if p.startswith(below) and p != self._id]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    way, disks = request.param
    here, there = tmp_path / "here", tmp_path / ("here" if disks == 1 else "there")
    with ExitStack() as stack:
        if disks == 1:
            here.mkdir()
        else:
            if os.getuid() != 0:
                pytest.skip("needs root, to mount a second disk")
            for folder in (here, there):
                stack.enter_context(mounted(folder, "8m"))
        yield Stage(sorted_job.make(here, FILES), there, way)


def test_a_power_failure_at_any_moment_loses_no_image(stage: Stage, tmp_path: Path) -> None:
    """The log is durable before a file is touched, a copy before its file is removed, and both
    before the log goes on."""
    stage.run("sort", tmp_path / "trace")
    assert len(tree(stage.out)) == len(FILES)
    assert stage.seen["touched"] >= len(FILES)
    stage.run("undo", tmp_path / "trace")
    assert tree(stage.images) == FILES
    assert not stage.out.exists()
    assert stage.seen["logged"] == 9
    assert stage.seen["forgotten"] == 2


def test_what_a_killed_command_did_is_durable_before_the_log_says_so(
    stage: Stage, tmp_path: Path
) -> None:
    point = "sort.linked" if stage.way is Way.LINK else "sort.renamed"
    stage.run("sort", tmp_path / "trace", killed_at=point)
    stage.run("sort", tmp_path / "trace")
    assert len(tree(stage.out)) == len(FILES)


def test_a_copy_out_of_an_archive_is_durable(tmp_path: Path) -> None:
    """Also the id of a folder that has those of all labels."""
    write(tmp_path / "photos.zip", FILES)
    finish(options_of(tmp_path, b"photos.zip"))
    stage = Stage(tmp_path / "out.csv", tmp_path, Way.COPY)
    for folder in sort.rehearse(stage.table, stage.out, Way.COPY).folders:
        (stage.out / folder).mkdir(parents=True)
    stage.run("sort", tmp_path / "trace")
    assert sorted(tree(stage.out).values()) == sorted(FILES.values())
