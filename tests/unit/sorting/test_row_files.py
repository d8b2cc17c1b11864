"""The bytes of a row's file are given only if they are those that were classified."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from producer.job.job_options import JobOptions
from producer.sources import source as kinds
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from shared.image_status import Status
from shared.messages.files import NO_DIGEST, Stamp, digest
from tests.support.sources import known_source
from tests.support.sources.known_source import KnownSource

CONTENT, OTHER = b"one image", b"1ne image"  #: of the same size


@pytest.fixture
def files(tmp_path: Path) -> RowFiles:
    (tmp_path / "a.png").write_bytes(CONTENT)
    return RowFiles(JobSources(JobOptions((b"a.png",), bytes(tmp_path), str(tmp_path / "out.csv"))))


def stamp_of(files: RowFiles) -> Stamp:
    return files.read(b"a.png")[1]


def replace(files: RowFiles, content: bytes) -> Stamp:
    """Replace the file; its stamp before."""
    before = stamp_of(files)
    Path(os.fsdecode(files.path(b"a.png") or b"")).write_bytes(content)
    return before


def test_other_content_of_the_same_size_has_changed(files: RowFiles) -> None:
    before = replace(files, OTHER)
    assert files.classified(b"a.png", before, digest(CONTENT)) is Status.CHANGED


@pytest.mark.parametrize("unknown", [b"", NO_DIGEST])
def test_without_a_checksum_size_and_time_decide(files: RowFiles, unknown: bytes) -> None:
    size, time = stamp_of(files)
    assert files.classified(b"a.png", (size, time), unknown) == CONTENT
    assert files.classified(b"a.png", (size, time + 1), unknown) is Status.CHANGED


def test_what_was_read_before_is_given_only_with_the_same_stamp(files: RowFiles) -> None:
    stamp = stamp_of(files)
    assert files.unchanged(b"a.png", stamp) == CONTENT
    replace(files, CONTENT + OTHER)
    assert files.unchanged(b"a.png", stamp) is Status.CHANGED
    os.unlink(files.path(b"a.png") or b"")
    assert files.unchanged(b"a.png", stamp) is Status.MISSING


def test_a_source_is_read_by_one_thread_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, both, together = (b"known://1", b"known://2"), threading.Barrier(2), []

    def read(source: KnownSource, name: bytes, max_bytes: int) -> tuple[bytes, Stamp]:
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)
            together.append(name)
        return CONTENT, (len(CONTENT), 1)

    monkeypatch.setattr(KnownSource, "read", read)
    monkeypatch.setitem(kinds.SOURCES, known_source.NAME, known_source.ROW)
    options = JobOptions(names, bytes(tmp_path), str(tmp_path / "out.csv"))
    with ThreadPoolExecutor(2) as pool:
        assert [data for data, _ in pool.map(RowFiles(JobSources(options)).read, names)] == [
            CONTENT
        ] * 2
    assert together == []
