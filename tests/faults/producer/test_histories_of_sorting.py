"""Histories of sorting: commands in any order, killed anywhere, between edits of a person. No
content that was there before a command is missing after it, and no file of the person's is touched.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from producer.sort_log import sorted_folder
from producer.sort_log.log import Way
from shared.errors import Exit
from shared.labels.class_folders import SORT_LOG
from tests.faults.producer.test_failpoints_of_sorting import POINTS, POINTS_OF_PLAIN
from tests.support.failpoints.armed import Points, Shot
from tests.support.failpoints.hypothesis_profiles import FULL
from tests.support.jobs import sorted_job
from tests.support.jobs.finished_job import ODD, RUBBISH
from tests.support.jobs.sorted_job import tree
from tests.support.jobs.sorting_process import SortingProcess
from tests.support.machine.small_disk import mounted

#: No model is loaded.
pytestmark = pytest.mark.shipped_model

FILES = {
    "a/1.png": b"one", "b/1.png": b"uno", "a/bad.png": RUBBISH, "a/odd.png": ODD, "b/2.png": b"two",
    "b/bad.png": RUBBISH,
}  # fmt: skip
COMMANDS = st.tuples(
    st.sampled_from(["sort", "undo"]),
    st.sampled_from(list(Way)),
    st.sampled_from(["atomic", "plain"]),
    st.one_of(
        st.none(),
        st.tuples(st.sampled_from(sorted(POINTS | POINTS_OF_PLAIN)), st.integers(1, 4)),
    ),
)
#: What a person does to the file with this number, in the order of the names, or beside it.
EDITS = st.tuples(st.sampled_from(["delete", "edit", "rename", "add"]), st.integers(0, 30))
HISTORIES = st.lists(st.one_of(COMMANDS, COMMANDS, COMMANDS, EDITS), max_size=10)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Points]]:
    """A job, on a disk in memory if it can be mounted, and where to arm the points."""
    above = tmp_path_factory.mktemp("histories")
    folder = above / "job"
    with ExitStack() as stack:
        if os.getuid() == 0:
            stack.enter_context(mounted(folder, "8m"))
        else:
            folder.mkdir()
        sorted_job.make(folder, FILES)
        yield folder, Points(above / "points")


@pytest.fixture(scope="module")
def process(places: tuple[Path, Points]) -> Iterator[SortingProcess]:
    running = SortingProcess(places[1])
    yield running
    running.close()


class History:
    """The files of one history."""

    def __init__(self, folder: Path, points: Points, process: SortingProcess) -> None:
        self.table, self.out = folder / "out.csv", folder / "sorted"
        self._pictures, self._points, self._process = folder / "in", points, process
        self._added = 0
        self._foreign: dict[Path, bytes] = {}  #: files that the person added
        for one in (self.out, self._pictures):
            shutil.rmtree(one, ignore_errors=True)
        shutil.rmtree(sorted_folder.state_folder(), ignore_errors=True)
        for name, content in FILES.items():
            path = self._pictures / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def files(self) -> dict[Path, bytes]:
        """Every file but incomplete copies."""
        found = {self._pictures / name: content for name, content in tree(self._pictures).items()}
        found |= {self.out / name: content for name, content in tree(self.out).items()}
        return {path: content for path, content in found.items() if path.suffix != ".part"}

    def command(self, act: str, way: Way, rename: str, shot: tuple[str, int] | None) -> int:
        before = self.files()
        if shot is None:
            self._points.disarm()
        else:
            self._points.arm(Shot(*shot))
        code = self._process.run(act, self.table, self.out, way, rename)
        after = self.files()
        assert set(before.values()) <= set(after.values()), (act, way, rename, shot)
        for path, content in self._foreign.items():
            assert after.get(path) == content
        assert code in (-9, Exit.OK, Exit.SOME_FAILED, Exit.SETUP), code
        return code

    def edit(self, what: str, number: int) -> None:
        files = sorted(self.files())
        if not files:
            return
        path = files[number % len(files)]
        self._added += 1
        if what == "delete":
            path.unlink()
            self._foreign.pop(path, None)
        elif what == "edit":
            path.write_bytes(b"edited %d" % self._added)
            if path in self._foreign:
                self._foreign[path] = path.read_bytes()
        elif what == "rename":
            new = path.with_name(f"renamed {self._added}{path.suffix}")
            path.rename(new)
            self._foreign.pop(path, None)
        else:
            new = path.parent / f"1-{1 + self._added}.png"
            if not new.exists():
                new.write_bytes(b"added %d" % self._added)
                self._foreign[new] = new.read_bytes()


@settings(
    max_examples=400 if FULL else 50,
    phases=[Phase.generate, Phase.shrink] if FULL else [Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=HISTORIES)
def test_no_history_loses_a_file(
    places: tuple[Path, Points],
    process: SortingProcess,
    monkeypatch: pytest.MonkeyPatch,
    history: list[tuple[str, Way, str, tuple[str, int] | None] | tuple[str, int]],
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", process.state)
    work = History(*places, process)
    edited = False
    for step in history:
        if len(step) == 2:
            work.edit(*step)
            edited = True
        else:
            work.command(*step)
    if sorted_folder.token_of(str(work.out)):
        code = work.command("undo", Way.MOVE, "atomic", None)
        assert edited or code == Exit.OK
    if not edited:
        assert work.files() == {work.table.parent / "in" / k: v for k, v in FILES.items()}
        assert not (work.out / SORT_LOG).exists()
    assert not [path for path in work.files() if path.name.startswith(".hangtag")]
