"""A table that is brought up to date again and again has the bytes that a fresh job writes."""

from __future__ import annotations

import csv
import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from producer.run import next_journal
from producer.run.job import Job
from producer.sort_log.log import Way
from producer.sorting import sort
from producer.table.display_options import ALL_CORRECTIONS, DisplayOptions
from producer.table.verify import verify
from shared.labels.class_folders import SORT_LOG
from tests.support.jobs.decided import correct
from tests.support.jobs.finished_job import RUBBISH, finish, options_of
from tests.support.jobs.updated_job import update

#: In an order of bytes that differs from that of folders.
NAMES = ["a-b/1.png", "a.png", "a/1.png", "a/b/1.png", "a/b/2.png", "a/c.png", "b/1.png", "c.png"]
#: So that each root has a file.
STAYING = ["a/x.png", "b/x.png"]
#: What is classified: one folder, and two in another order.
ROOTS = [(b"in",), (b"in/b", b"in/a")]
CONTENTS = [b"red", b"blue", b"green", RUBBISH, b"odd one"]
ALL = DisplayOptions(corrections=ALL_CORRECTIONS)

names, contents = st.sampled_from(NAMES), st.sampled_from(CONTENTS)
steps = st.one_of(
    st.tuples(st.just("write"), names, contents),
    st.tuples(st.just("write"), names, contents),
    st.tuples(st.just("remove"), names),
    st.tuples(st.just("rename"), names, names),
    st.tuples(st.just("touch"), names),
    st.tuples(st.just("correct"), contents, st.sampled_from(["hat", "sock"])),
    st.tuples(st.just("sort"), st.booleans()),
    st.tuples(st.just("undo")),
    st.tuples(st.just("update")),
)


class Folder:
    """The files of one history, where they are, and what a person has decided."""

    def __init__(self, folder: Path, roots: tuple[bytes, ...]) -> None:
        self.folder, self._roots = folder, roots
        self.options = options_of(folder, *roots)
        self.table = folder / "out.csv"
        self.moved: dict[str, Path] = {}  #: by their names in the table
        self.decided: list[tuple[bytes, str]] = []
        self._clock = itertools.count(1_000_000_000_000_000_000, 1_000_000)
        self._sorted: Path | None = None
        self._classified: dict[str, bytes] = {}

    def files(self) -> dict[str, Path]:
        """The files by their names in the table."""
        root = self.folder / "in"
        inside = {
            str(path.relative_to(root)): path
            for path in root.rglob("*.png")
            if self._sorted is None or not path.is_relative_to(self._sorted)
        }
        return inside | {name: path for name, path in self.moved.items() if path.exists()}

    def write(self, name: str, content: bytes) -> None:
        path = self.files().get(name, self.folder / "in" / name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.touch(name)

    def touch(self, name: str) -> None:
        if path := self.files().get(name):
            os.utime(path, ns=(0, next(self._clock)))

    def remove(self, name: str) -> None:
        if path := self.files().get(name):
            path.unlink()

    def rename(self, name: str, other: str) -> None:
        """As mv does it, with its time. No file gets the name of one that was sorted."""
        path, there = self.folder / "in" / name, self.folder / "in" / other
        if path.exists() and other not in self.moved:
            there.parent.mkdir(parents=True, exist_ok=True)
            path.rename(there)

    def correct(self, content: bytes, label: str) -> None:
        rows = [n for n, (_, old) in enumerate(self._rows(), 1) if old == content]
        if rows and content != RUBBISH:
            correct(self.table, content, label, *rows)
            self.decided.append((content, label))
            rendered(self.options)

    def _rows(self) -> list[tuple[str, bytes]]:
        with self.table.open(newline="", encoding="utf-8") as file:
            names = [row["path"].removeprefix("in/") for row in csv.DictReader(file)]
        return [(name, self._classified[name]) for name in names]

    def sort(self, inside: bool) -> None:
        if self._sorted is not None:
            return
        self._sorted = self.folder / ("in/sorted" if inside else "sorted")
        inodes = {path.stat().st_ino: name for name, path in self.files().items()}
        sort.sort(self.table, self._sorted, Way.MOVE, quiet=True)
        self.moved = {inodes[path.stat().st_ino]: path for path in self._sorted.rglob("*.png")}

    def undo(self) -> None:
        if self._sorted is not None:
            before = dict(self.moved)
            sort.undo(self._sorted, quiet=True)
            self.moved = {name: path for name, path in before.items() if path.exists()}
            if not (self._sorted / SORT_LOG).exists():  # one that was removed cannot return
                self._sorted = None

    def update(self) -> None:
        update(self.options)
        self._classified = {name: path.read_bytes() for name, path in self.files().items()}

    def step(self, kind: str, *arguments: object) -> None:
        getattr(self, kind)(*arguments)


def rendered(options: object) -> None:
    """Write a table with all decisions."""
    with closing(Job(options, display=ALL)) as job:  # type: ignore[arg-type]
        job.table.render()


def fresh(history: Folder, folder: Path, roots: tuple[bytes, ...]) -> bytes:
    """The table of a fresh job of the same files, each where the table has it."""
    for name, path in history.files().items():
        copy = folder / "in" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    table = folder / "out.csv"
    for content, label in history.decided:
        correct(table, content, label)
    options = options_of(folder, *roots)
    finish(options)
    if history.decided:
        rendered(options)
    return table.read_bytes()


def in_new_folders() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        state = {"XDG_STATE_HOME": f"{folder}/state"}
        with mock.patch.dict(os.environ, state), mock.patch.object(next_journal, "IMAGES_MAX", 4):
            yield Path(folder)


@given(st.sampled_from(ROOTS), st.lists(steps, max_size=25))
def test_any_history_of_a_folder_ends_in_the_table_of_a_fresh_job(
    roots: tuple[bytes, ...], history: list[tuple[object, ...]]
) -> None:
    for root in in_new_folders():
        (root / "main").mkdir()
        main = Folder(root / "main", roots)
        for name, content in zip([*NAMES[2:6], *STAYING], CONTENTS * 2, strict=False):
            main.write(name, content)
        finish(main.options)
        main.update()
        for kind, *arguments in history:
            main.step(str(kind), *arguments)
        main.update()
        assert main.table.read_bytes() == fresh(main, root / "fresh", roots)
        assert verify(main.table, deep=True).problems == []
