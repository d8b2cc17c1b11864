"""Files that appear after the start of a job are counted exactly."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from producer.job.job_options import JobOptions
from producer.job.journal import Journal
from producer.run.new_files import NewFiles
from producer.sources.job_sources import JobSources, Walk
from shared.errors import UsageError
from shared.settings import Settings
from tests.support.jobs.batchers import batcher_of

#: Roots with a common prefix, a file that is named explicitly, and two that the text of another
#: leads to: its walk does not, since it follows neither ".." nor links.
ROOTS = (b"b", b"a", b"a/../c", b"a/link", b"ab", b"a-", b"hand", b"z/y")
LINK_TO = "linked"
names = st.sampled_from([b"1.png", b"2.png", b"a/1.png", b"a-/1.png", b"a0.png", b"z/z.png"])
places = st.tuples(st.sampled_from([root for root in ROOTS if root != b"hand"]), names)
sets = st.sets(places, max_size=12)
LAST = {(b"b", b"a/1.png"), (b"b", b"z/z.png"), (b"ab", b"1.png")}


def appeared(options: JobOptions, journal: Journal, finished: bool) -> int:
    """The reported number, if counting pauses after each file."""
    reported: list[int] = []
    new, pauses = NewFiles(JobSources(options), journal, finished, reported.append), 0
    while not new.over:
        assert not reported
        new.advance(0)
        pauses += 1
    new.advance()
    assert len(reported) <= 1
    assert options.list_file or pauses > sum(reported)
    return sum(reported)


def plant(folder: str, files: set[tuple[bytes, bytes]]) -> None:
    for root, name in files:
        path = Path(folder) / os.fsdecode(root) / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@given(sets, sets, sets, st.integers(0, 12), st.booleans())
@example({(b"b", b"2.png"), *LAST}, {(b"b", b"0.png"), (b"b", b"1.png")}, set(), 1, False)
@example({(b"b", b"1.png"), (b"b", b"2.png"), *LAST}, set(), {(b"b", b"2.png")}, 1, False)
def test_the_count_equals_the_difference_of_the_sets(
    before: set[tuple[bytes, bytes]],
    new: set[tuple[bytes, bytes]],
    gone: set[tuple[bytes, bytes]],
    turns: int,
    whole: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, LINK_TO).mkdir()
        for root in ROOTS:
            path = Path(folder) / os.fsdecode(root)
            if root == b"hand":
                path.touch()
            elif root == b"a/link":
                path.symlink_to(Path(folder, LINK_TO))
            else:
                path.mkdir(parents=True)
        plant(folder, before)
        options = JobOptions(ROOTS, folder.encode(), f"{folder}/out.csv")
        with closing(Journal(Path(folder) / "j")) as journal:
            batches = batcher_of(options, Settings(batch_images=2))
            while (turns or whole) and (batch := batches.next()) is not None:
                journal.commit([batch.frozen])
                turns -= turns > 0
            plant(folder, new)
            for root, name in before & gone:
                (Path(folder) / os.fsdecode(root) / os.fsdecode(name)).unlink()
            known = {name for names in journal.names() for name in names}
            last = journal.last()
            reached = [] if last is None else list(Walk(JobSources(options)).paths())
            if not batches.exhausted and last is not None:
                end = (last.argument, last.names[-1])
                reached = [place for place in reached if place <= end]
            expected = sum(path not in known for _, path in reached)
            assert appeared(options, journal, batches.exhausted) == expected


@settings(max_examples=30)
@given(st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=6), st.integers(0, 3))
def test_lines_added_to_a_list_are_counted(lines: list[bytes], more: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "list"
        listed.write_bytes(b"\n".join(lines) + b"\n")
        options = JobOptions((), folder.encode(), f"{folder}/out.csv", list_file=b"list")
        with closing(Journal(Path(folder) / "j")) as journal:
            batches = batcher_of(options, Settings(batch_images=2))
            while (batch := batches.next()) is not None:
                journal.commit([batch.frozen])
            assert appeared(options, journal, finished=True) == 0
            listed.write_bytes(listed.read_bytes() + b"d\n" * more)
            assert appeared(options, journal, finished=True) == more
            assert appeared(options, journal, finished=False) == 0


@example([b"", b"a"], [b"a"], 1)
@given(
    st.lists(st.sampled_from([b"a", b"b", b"c", b""]), min_size=1, max_size=6),
    st.lists(st.sampled_from([b"a", b"b", b"c", b""]), min_size=1, max_size=6),
    st.integers(1, 4),
)
def test_a_list_is_accepted_again_only_if_its_lines_so_far_are_unchanged(
    before: list[bytes], now: list[bytes], turns: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "list"
        listed.write_bytes(b"\n".join(before))
        options = JobOptions((), folder.encode(), f"{folder}/out.csv", list_file=b"list")
        with closing(Journal(Path(folder) / "j")) as journal:
            batches = batcher_of(options, Settings(batch_images=1))
            while turns and (batch := batches.next()) is not None:
                journal.commit([batch.frozen])
                turns -= 1
            last = journal.last()
            taken = 0 if last is None else last.argument + 1
            listed.write_bytes(b"\n".join(now))
            # An empty line is skipped, but the next path must be in the same line.
            same = list(filter(None, now[:taken])) == list(filter(None, before[:taken]))
            if not taken or (same and len(now) >= taken and now[taken - 1]):
                more = sum(line != b"" for line in now[taken:])
                assert appeared(options, journal, finished=False) == 0
                assert appeared(options, journal, finished=True) == (more if taken else 0)
                return
            for finished in (False, True):
                with pytest.raises(UsageError, match="--restart") as error:
                    appeared(options, journal, finished)
                assert str(error.value).isprintable()
