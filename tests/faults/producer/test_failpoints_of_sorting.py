"""`hangtag sort` is killed at every passage of every crash point: copy, link and move, on one and
on two file systems, sorting and taking back. No file is lost, and either command goes on.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from producer.sort_log import sorted_folder
from producer.sort_log.log import Way
from producer.sources.row_files import MovedFiles
from shared.errors import Exit
from shared.labels.class_folders import SORT_LOG
from tests.support.failpoints.armed import KILL, Points, Shot
from tests.support.jobs import sorted_job
from tests.support.jobs.finished_job import ID, ODD, RUBBISH
from tests.support.jobs.sorted_job import folders_of, sorted_tree, tree
from tests.support.jobs.sorting_process import SortingProcess
from tests.support.machine.small_disk import mounted

#: No model is loaded.
pytestmark = [pytest.mark.points, pytest.mark.shipped_model]

#: Two of them collide in their folder, one collides with a foreign file.
FILES = {
    "a/1.png": b"same", "b/1.png": b"same", "a/bad.png": RUBBISH, "a/odd.png": ODD,
    "b/2.png": b"two",
}  # fmt: skip
FOREIGN = {"failed/bad.png": b"foreign"}
#: Every point that sorting or taking back can pass; with `plain` there is no atomic rename that
#: refuses to replace.
POINTS = {
    "sort.recorded", "sort.out-made", "sort.id-created", "sort.logged", "sort.folder-made",
    "sort.part-begun", "sort.part-written", "sort.renamed", "sort.copied", "sort.linked",
    "sort.moved", "sort.aside", "sort.put-back", "sort.unlinked", "sort.log-removed",
    "sort.id-removed", "sort.folder-removed", "sort.record-removed",
}  # fmt: skip
POINTS_OF_PLAIN = {"sort.second-name", "sort.first-name-removed"}
ONE, TWO = "one disk", "two disks"
CASES = [
    (way, disks, rename)
    for way in Way
    for disks in (ONE, TWO)
    for rename in ("atomic", "plain")
    if (way, disks) != (Way.LINK, TWO) and (way is Way.MOVE or rename == "atomic")
]


class Stage:
    """A job, its folders, and the process that sorts."""

    def __init__(self, here: Path, there: Path, way: Way, rename: str, notes: Path) -> None:
        self.here, self.out, self._way, self._rename = here, there / "sorted", way, rename
        self.points, self._trace = Points(notes / "points"), notes / "trace"
        self._pictures = here / sorted_job.FOLDER
        self.table = sorted_job.make(here, FILES)
        self.wanted = folders_of(self.table)
        self.foreign = FOREIGN
        self._process = SortingProcess(self.points)

    def close(self) -> None:
        self._process.close()

    def run(self, act: str, trace: bool = False) -> int:
        return self._process.run(
            act, self.table, self.out, self._way, self._rename, self._trace if trace else None
        )

    def passages(self, act: str) -> list[Shot]:
        """Every passage of every point of an undisturbed run."""
        assert self.run(act, trace=True) == Exit.OK
        counts: Counter[str] = Counter()
        shots = []
        for name in self._trace.read_text().split():
            counts[name] += 1
            shots.append(Shot(name, counts[name], KILL))
        return shots

    def reset(self) -> None:
        """As before anything was sorted."""
        for folder in (self.out, self._pictures):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(sorted_folder.state_folder(), ignore_errors=True)
        for root, files in ((self._pictures, FILES), (self.out, self.foreign)):
            for name, content in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(content)

    def kill(self, act: str, shot: Shot) -> None:
        """Run a command that is killed, and check that no content is lost."""
        self.points.arm(shot)
        assert self.run(act) == -signal.SIGKILL, shot
        self.points.disarm()
        lost = Counter(FILES.values()) - Counter(self._everything().values())
        assert not lost, shot
        for name, content in self.foreign.items():
            assert (self.out / name).read_bytes() == content, shot
        if self._way is not Way.MOVE:
            assert tree(self._pictures) == FILES, shot

    def _everything(self) -> dict[str, bytes]:
        """Also files that have a temporary name; those that are incomplete do not count."""
        found = tree(self._pictures) | {f"out/{k}": v for k, v in tree(self.out).items()}
        for name in self.foreign:
            found.pop(f"out/{name}")
        return {name: content for name, content in found.items() if not name.endswith(".part")}

    def check_sorted(self, shot: Shot) -> None:
        assert sorted_tree(self.out) == self.wanted + Counter({("failed", b"foreign"): 1}), shot
        assert tree(self._pictures) == ({} if self._way is Way.MOVE else FILES), shot
        assert len(sorted_folder.tokens()) == 1
        moved = MovedFiles(ID)
        for name, content in FILES.items():
            now = moved.current(os.fsencode(self._pictures / name))
            assert Path(os.fsdecode(now)).read_bytes() == content

    def check_back(self, shot: Shot) -> None:
        assert tree(self._pictures) == FILES, shot
        assert tree(self.out) == FOREIGN, shot
        assert sorted(os.listdir(self.out)) == ["failed"], shot
        assert not (self.out / SORT_LOG).exists()
        assert not any(sorted_folder.logs_of())


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case).replace(" ", "-"))
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """On disks in memory, if they can be mounted."""
    way, disks, rename = request.param
    with ExitStack() as stack:
        here = there = tmp_path / "here"
        if os.getuid() == 0:
            stack.enter_context(mounted(here, "8m"))
        else:
            here.mkdir()
        if disks == TWO:
            if os.getuid() != 0:
                pytest.skip("needs root, to mount a second disk")
            there = tmp_path / "there"
            stack.enter_context(mounted(there, "8m"))
        running = Stage(here, there, way, rename, tmp_path)
        stack.callback(running.close)
        yield running


def test_a_sort_that_is_killed_anywhere_goes_on_and_can_be_taken_back(stage: Stage) -> None:
    stage.reset()
    shots = stage.passages("sort")
    assert len(shots) >= 15
    for shot in shots:
        stage.reset()
        stage.kill("sort", shot)
        assert stage.run("sort") == Exit.OK, shot
        stage.check_sorted(shot)
        stage.reset()
        stage.kill("sort", shot)
        if sorted_folder.token_of(str(stage.out)):
            assert stage.run("undo") == Exit.OK, shot
        stage.check_back(shot)


def test_an_undo_that_is_killed_anywhere_goes_on_and_can_be_sorted_again(stage: Stage) -> None:
    stage.reset()
    stage.run("sort")
    shots = stage.passages("undo")
    assert len(shots) > 10
    for shot in shots:
        for act in ("undo", "sort"):
            stage.reset()
            assert stage.run("sort") == Exit.OK
            stage.kill("undo", shot)
            if act == "sort":
                assert stage.run("sort") == Exit.OK, shot
                stage.check_sorted(shot)
            else:
                if sorted_folder.token_of(str(stage.out)):
                    assert stage.run("undo") == Exit.OK, shot
                stage.check_back(shot)


def test_a_sort_that_is_killed_again_and_again_goes_on(stage: Stage) -> None:
    """At each passage in turn, also while it settles what the one before has left."""
    stage.reset()
    shots = stage.passages("sort")
    stage.reset()
    for shot in shots:
        stage.points.arm(shot)
        if stage.run("sort") == Exit.OK:
            break
    stage.points.disarm()
    assert stage.run("sort") == Exit.OK
    stage.check_sorted(shot)


def names(folder: Path) -> set[str]:
    """Every name below a folder, also those of folders."""
    return {os.path.relpath(path, folder) for path in folder.rglob("*")}


@pytest.mark.parametrize("stage", [(Way.COPY, ONE, "atomic")], indirect=True, ids=["copy"])
def test_undo_of_a_killed_command_leaves_the_names_of_before(stage: Stage) -> None:
    """Also of the folder itself and those above it, which the sort has made."""
    stage.out, stage.foreign = stage.here / "new/er/sorted", {}

    def begin(act: str) -> None:
        shutil.rmtree(stage.here / "new", ignore_errors=True)
        stage.reset()
        if act == "undo":
            assert stage.run("sort") == Exit.OK

    begin("sort")
    before = names(stage.here)
    for act in ("sort", "undo"):
        begin(act)
        shots = stage.passages(act)
        assert {"sort.out-made", "sort.recorded"} <= {shot.name for shot in shots} or act == "undo"
        for shot in shots:
            begin(act)
            stage.kill(act, shot)
            stage.run("undo")  # there may be nothing left
            assert names(stage.here) == before, (act, shot)
            assert not sorted_folder.token_of(str(stage.out)), (act, shot)


@pytest.mark.parametrize("act", ["sort", "undo"])
def test_a_command_that_is_killed_while_it_settles_goes_on(stage: Stage, act: str) -> None:
    """The first kill leaves a file with a temporary name, or an incomplete copy."""

    def begin() -> None:
        stage.reset()
        if act == "undo":
            assert stage.run("sort") == Exit.OK

    begin()
    found = {shot.name for shot in stage.passages(act)}
    for name in found & {"sort.aside", "sort.part-begun", "sort.second-name"}:
        begin()
        stage.kill(act, Shot(name))
        for second in stage.passages(act):
            begin()
            stage.kill(act, Shot(name))
            stage.kill(act, second)
            if act == "sort":
                assert stage.run(act) == Exit.OK, (name, second)
                stage.check_sorted(second)
            else:
                if sorted_folder.token_of(str(stage.out)):
                    assert stage.run(act) == Exit.OK, (name, second)
                stage.check_back(second)
