"""A source that reads ahead has the names of images before they are read, and is not waited for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.job.job_options import JobOptions
from producer.run.batcher import Batch
from producer.sources import source as kinds
from producer.sources.job_sources import JobSources, Walk
from shared.settings import Settings
from tests.support.jobs.batchers import batcher_of
from tests.support.sources import seeded_source
from tests.support.sources.seeded_source import SeededSource


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobSources:
    monkeypatch.setitem(kinds.SOURCES, seeded_source.NAME, seeded_source.ROW)
    (tmp_path / "a.png").write_bytes(b"a")
    typed = (b"seeded://1/60", b"a.png", b"seeded://2/20")
    return JobSources(JobOptions(typed, bytes(tmp_path), "/out.csv"))


def turns(sources: JobSources) -> Iterator[Batch | None]:
    batcher = batcher_of(sources.options, Settings(batch_images=16), sources=sources)
    while not batcher.exhausted:
        yield batcher.next()


def test_each_image_is_there_when_it_is_read_and_the_batcher_returns_meanwhile(
    sources: JobSources,
) -> None:
    every = list(turns(sources))
    batches = [batch for batch in every if batch is not None]
    walked = [name for _, name in Walk(sources).paths()]
    assert [name for batch in batches for name in batch.frozen.names] == walked
    seeded = [sources.argument(0), sources.argument(2)]
    reads = [read for source in seeded if isinstance(source, SeededSource) for read in source.reads]
    assert reads == [(name, True) for name in walked if name != b"a.png"]
    # and once more at the end
    assert len(every) - len(batches) == seeded_source.TURNS * len(reads) + 1
