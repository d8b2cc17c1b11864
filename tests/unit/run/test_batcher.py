"""Batches are bounded, hold every file once and in order, and resume exactly where they stopped."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.job.job_options import JobOptions
from producer.job.records import FrozenBatch
from producer.run.batcher import Batch, BatchLimits, EarlierRuns, read_batch_again
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from shared.errors import SetupError
from shared.image_status import Status
from shared.settings import Settings
from tests.support.archives.archive_writers import write
from tests.support.jobs.batchers import batcher_of
from tests.support.jobs.finished_job import options_of
from tests.support.jobs.image_blobs import decode_images

contents = st.lists(st.binary(max_size=12), max_size=12)
bounds = st.builds(Settings, batch_images=st.integers(1, 5), batch_bytes=st.integers(1, 20))


@contextmanager
def image_files(contents: list[bytes]) -> Iterator[JobOptions]:
    """The options of a job with one folder and a file for each content."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/p")
        for i, content in enumerate(contents):
            Path(f"{folder}/p/{i:03}.png").write_bytes(content)
        yield JobOptions((b"p",), folder.encode(), f"{folder}/out.csv")


def formed(options: JobOptions, settings: Settings, last: FrozenBatch | None = None) -> list[Batch]:
    before = EarlierRuns() if last is None else EarlierRuns(last, last.n + 1)
    batches = batcher_of(options, settings, before=before)
    return list(iter(batches.next, None))


@given(contents, bounds)
def test_every_file_is_in_one_batch_in_order_with_its_bytes(
    contents: list[bytes], bounds: Settings
) -> None:
    with image_files(contents) as options:
        batches = formed(options, bounds)
    assert [batch.frozen.n for batch in batches] == list(range(len(batches)))
    names = [name for batch in batches for name in batch.frozen.names]
    assert names == [b"p/%03d.png" % i for i in range(len(contents))]
    assert [image for batch in batches for image in decode_images(batch.blob)] == contents
    sizes = [stamp[0] for batch in batches for stamp in batch.frozen.stamps]
    assert sizes == [len(content) for content in contents]


@given(contents, bounds)
def test_a_batch_is_bounded_not_empty_and_as_full_as_possible(
    contents: list[bytes], bounds: Settings
) -> None:
    with image_files(contents) as options:
        batches = [decode_images(batch.blob) for batch in formed(options, bounds)]
    sizes = [[len(i) for i in batch if isinstance(i, bytes)] for batch in batches]
    for size in sizes:
        assert 1 <= len(size) <= bounds.batch_images
        assert len(size) == 1 or sum(size) <= bounds.batch_bytes
    for size, following in pairwise(sizes):
        too_many = len(size) == bounds.batch_images
        assert too_many or sum(size) + following[0] > bounds.batch_bytes


@given(contents, bounds, bounds)
def test_after_any_batch_the_rest_is_the_same_also_with_other_bounds(
    contents: list[bytes], before: Settings, after: Settings
) -> None:
    with image_files(contents) as options:
        whole = formed(options, before)
        for i, batch in enumerate(whole):
            assert formed(options, before, batch.frozen) == whole[i + 1 :]
            names = [n for b in whole[i + 1 :] for n in b.frozen.names]
            rest = formed(options, after, batch.frozen)
            assert [n for b in rest for n in b.frozen.names] == names
            assert [b.frozen.n for b in rest] == list(range(i + 1, i + 1 + len(rest)))


@pytest.mark.parametrize(
    ("sizes", "pieces", "ending", "expected"),
    [
        (300 * [1], 1, "", [100, 100, 100]),
        (80 * [1], 4, "", [64, 16]),  # smaller ones are not worth a message
        (8 * [1 << 18], 4, "", [2, 2, 1, 1, 1, 1]),
        (80 * [1], 4, ".zip", [64, 16]),
        (80 * [1], 4, ".tar.gz", [80]),  # to look for its end is to unpack it twice
    ],
)
def test_the_last_batches_are_shares_of_the_files_that_are_left(
    tmp_path: Path, sizes: list[int], pieces: int, ending: str, expected: list[int]
) -> None:
    files = {f"{n:03}.png": bytes(size) for n, size in enumerate(sizes)}
    if ending:
        write(tmp_path / f"p{ending}", files)
    else:
        (tmp_path / "p").mkdir()
        for name, content in files.items():
            (tmp_path / "p" / name).write_bytes(content)
    batches = batcher_of(options_of(tmp_path, f"p{ending}".encode()), Settings(batch_images=100))
    formed = list(iter(lambda: batches.next(BatchLimits(pieces=pieces)), None))
    assert [len(batch.frozen.names) for batch in formed] == expected


def test_the_files_after_an_archive_that_is_unpacked_once_are_shared_as_well(
    tmp_path: Path,
) -> None:
    write(tmp_path / "p.tar.gz", {f"{n:03}.png": b"x" for n in range(100)})
    (tmp_path / "q").mkdir()
    for n in range(80):
        (tmp_path / f"q/{n:03}.png").write_bytes(b"x")
    batches = batcher_of(options_of(tmp_path, b"p.tar.gz", b"q"), Settings(batch_images=100))
    formed = list(iter(lambda: batches.next(BatchLimits(pieces=4)), None))
    assert [len(batch.frozen.names) for batch in formed] == [100, 64, 16]


def test_a_batch_that_is_read_again_reports_changed_and_missing_files() -> None:
    with image_files([b"same", b"longer", b"gone", b"touched"]) as options:
        (batch,) = formed(options, Settings())
        folder = Path(os.fsdecode(options.cwd)) / "p"
        (folder / "001.png").write_bytes(b"longer now")
        (folder / "002.png").unlink()
        os.utime(folder / "003.png", ns=(0, 0))
        images = read_batch_again(RowFiles(JobSources(options)), batch.frozen)
    assert images == [b"same", Status.CHANGED, Status.MISSING, Status.CHANGED]


def test_a_folder_that_is_gone_is_no_end_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.png").touch()
    batches = batcher_of(options_of(tmp_path, b"a", b"b"), Settings(batch_images=1))
    with pytest.raises(SetupError, match="b cannot be listed"):
        list(iter(batches.next, None))


def test_the_first_batch_is_sent_before_the_walk_ends(tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").touch()
    options = JobOptions((b".",), bytes(tmp_path), "/out.csv")
    batches = batcher_of(options, Settings(batch_images=1))
    first = batches.next()
    assert first is not None
    assert first.frozen.names == [b"./a/1.png"]
    (tmp_path / "c/2.png").touch()  # not listed yet, so it is included
    assert len(list(iter(batches.next, None))) == 3
