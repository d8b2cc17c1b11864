"""Rows that are written while their job runs: the table is the same as one written at its end."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from producer.job.job_options import JobOptions
from producer.run.batcher import read_batch_again
from producer.run.job import Job
from producer.sources import row_files
from producer.table.display_options import ALL_CORRECTIONS, DisplayOptions, Threshold, make_table
from producer.table.output_path import draft_of
from producer.table.table_formats import FORMATS
from shared.errors import Exit
from shared.settings import Settings
from tests.support.jobs.batchers import resumed_batcher
from tests.support.jobs.decided import correct
from tests.support.jobs.finished_job import (
    RUBBISH,
    answered,
    finish,
    options_of,
    record,
    start,
)
from tests.support.jobs.image_blobs import decode_images
from tests.unit.table.test_forms_of_jobs import killed_at, passages
from tests.unit.table.test_text_format import write_table

FILES, BATCH, UNDER_WAY = 14, 2, 4
LABELS = ("Bag", "a coat, long")
LONG = 1e9


class Attempt(NamedTuple):
    """One process of a job."""

    seed: int  #: of the order of its results, and of its turns with rows
    steps: int  #: after which it is interrupted
    confidence: float
    decision: tuple[int, str] | None  #: before it: the number of a file, the label of a person
    retry: bool  #: before it: some of the files that failed are fixed


attempts = st.builds(
    Attempt,
    st.integers(0, 1 << 16),
    st.sampled_from((4, 9, 1_000)),
    st.sampled_from((0.0, 0.5)),
    st.none() | st.tuples(st.integers(0, FILES - 1), st.sampled_from(LABELS)),
    st.booleans(),
)


def content(n: int) -> bytes:
    """Two files have the same one: a decision about either holds for both."""
    return b"image %d" % (n // 2)


def options(folder: Path, form: str = "csv") -> JobOptions:
    made = options_of(folder, b"photos", form=form)
    return msgspec.structs.replace(made, output=str(folder / f"out.{form}"))


def plant(folder: Path, failing: set[int] | frozenset[int] = frozenset()) -> Path:
    (folder / "photos").mkdir()
    for n in range(FILES):
        (folder / f"photos/{n:02}.png").write_bytes(RUBBISH if n in failing else content(n))
    return folder


def at_the_end(job: Job) -> bytes:
    """The table that one pass over the journal writes now."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "whole")
        write_table(job.journal, make_table(job.pinned, job.table.display), path, job.options.form)
        return path.read_bytes()


def turns(
    job: Job, chance: random.Random, seconds: Sequence[float] = (0, 0, LONG)
) -> Iterator[None]:
    """The steps of an attempt: batches in order, results in any, rows for one of these times."""
    with row_files.of_table(job.output, job.options) as files:
        journal = job.journal
        waiting = {n: read_batch_again(files, journal.batch(n)) for n in journal.open_batches()}
        batches = resumed_batcher(job, Settings(batch_images=BATCH), files)
        while waiting or not batches.exhausted:
            if len(waiting) < UNDER_WAY and chance.random() < 0.7 and not batches.exhausted:
                if (batch := batches.next()) is not None:
                    journal.commit([batch.frozen])
                    waiting[batch.frozen.n] = decode_images(batch.blob)
            elif waiting:
                n = chance.choice(list(waiting))
                record(job, n, answered(waiting.pop(n)))
            if seconds:
                job.table.advance(chance.choice(seconds))
            yield


def run(made: JobOptions, one: Attempt) -> None:
    """One attempt; its table, if it has one, has the bytes of one written at the end."""
    display = DisplayOptions(Threshold(confidence=one.confidence), corrections=ALL_CORRECTIONS)
    with closing(Job(made, display=display)) as job:
        if one.retry:
            job.repeat_failed()
        if job.exit_code is not None:
            return
        for step, _ in enumerate(turns(job, random.Random(one.seed))):
            if step == one.steps:
                return
        expected = at_the_end(job)
        job.finish(Exit.OK, job.table.write_table())
        assert job.output.read_bytes() == expected


@given(
    st.sampled_from(sorted(FORMATS)),
    st.sets(st.integers(0, FILES - 1), max_size=4),
    st.lists(attempts, min_size=1, max_size=4),
)
def test_rows_that_are_written_while_a_job_runs_are_those_of_its_end(
    form: str, failing: set[int], history: list[Attempt]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = plant(Path(place), failing)
        made = options(folder, form)
        with closing(Job(made)) as job:
            start(job, made)
        for one in [*history, history[-1]._replace(steps=1_000)]:
            if one.decision:
                n, label = one.decision
                correct(Path(made.output), content(n), label, n + 1)
            for n in failing if one.retry else ():
                if n % 2 == one.seed % 2:
                    (folder / f"photos/{n:02}.png").write_bytes(content(n))
            run(made, one)
            assert not os.path.lexists(draft_of(Path(made.output)))


def test_a_process_that_is_killed_while_it_writes_rows_leaves_a_job_that_resumes(
    tmp_path: Path,
) -> None:
    folder = plant(tmp_path)
    made = options(folder)

    def classify(restart: bool = False) -> None:
        finish(made, restart=restart)

    count = len(passages(classify))
    expected = Path(made.output).read_bytes()
    reached = 0
    for nth in range(0, count, 3):
        assert killed_at(lambda: classify(restart=True), nth)
        reached += draft_of(Path(made.output)).exists()
        classify()
        assert Path(made.output).read_bytes() == expected
        assert not draft_of(Path(made.output)).exists()
    assert reached >= 3


def test_rows_that_have_given_way_are_written_at_the_end_alone(tmp_path: Path) -> None:
    made = options(plant(tmp_path))
    draft = draft_of(Path(made.output))
    with closing(Job(made)) as job:
        start(job, made)
        for _ in turns(job, random.Random(1), seconds=()):
            pass
        job.table.advance(LONG)
        assert draft.exists()
        assert job.table.stop_growing()
        job.table.advance(LONG)
        assert not draft.exists()
