"""Concurrent jobs, and the same job started twice."""

from __future__ import annotations

import math
import time
from contextlib import closing
from pathlib import Path

import pytest

from producer.job.journal import Journal, journal_path
from producer.run.loop import POLL_EVERY_S
from shared.errors import Exit
from tests.support.jobs.long_job import COMPLETE, HINT, Recorder, Step
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import BATCH_IMAGES, Producer

BATCHES_PER_CHILD = 2
BIG_TIMES = 20
MANY = 8
#: Per large job, done before the small one. The window is half a batch, and two full batches for a
#: producer that ignores the others. Measured: 0.5 on a busy machine.
FULL_BATCHES_FOR_EACH = 1.25
#: The batches under way of a job that is alone with two children.
AHEAD = 2 * BATCHES_PER_CHILD
#: Batches of the large job per batch of the small one. Measured: 12 for ten, 3 for one.
AT_MOST_FOR_EACH = 3


@pytest.mark.parametrize("small_images", [10, 160])
def test_a_small_job_gets_its_share_beside_a_job_a_hundred_times_larger(
    stage: Scenario, small_images: int
) -> None:
    recorder = Recorder(stage.fleet.client)
    stage.fleet.worker()
    big = _listed(stage, "big", stage.gallery.paths * BIG_TIMES)
    big.wait_until_done(len(stage.gallery.paths) // 10)
    small = _listed(stage, "small", stage.gallery.paths[:small_images])
    assert small.wait() == Exit.OK
    rows = small.output.read_bytes().splitlines()
    assert rows == stage.gallery.table.splitlines()[: small_images + 1]
    view = big.view
    assert big.running
    assert view is not None
    assert view.done < len(stage.gallery.paths) * BIG_TIMES
    assert big.interrupt() == Exit.INTERRUPTED
    batches, others = _meanwhile(recorder, small)
    print(f"{batches} batches of the small job, and meanwhile {others} of the large one")
    assert batches == math.ceil(small_images / BATCH_IMAGES)
    assert others <= AHEAD + AT_MOST_FOR_EACH * batches


def test_a_small_job_waits_no_longer_beside_many_large_ones_than_beside_one(
    stage: Scenario,
) -> None:
    recorder = Recorder(stage.fleet.client)
    stage.fleet.worker()
    paths = stage.gallery.paths * BIG_TIMES
    large = [_listed(stage, f"large{n}", paths) for n in range(MANY)]
    for producer in large:
        producer.wait_until_done(1)
    time.sleep(2 * POLL_EVERY_S)  # each has polled the others by then
    small = _listed(stage, "small", stage.gallery.paths[: BATCH_IMAGES // MANY])
    assert small.wait() == Exit.OK
    for producer in large:
        assert producer.interrupt() == Exit.INTERRUPTED, "it was finished before the small one"
    sizes = {producer.output.name: _sizes(producer.output) for producer in large}
    names = {view.job: p.output.name for p in large if (view := p.view)}
    done = _done_meanwhile(recorder, small, names)
    images = sum(sizes[name][batch] for name, batch in done)
    print(f"{images} images of {len(done)} batches of {MANY} large jobs meanwhile")
    assert done
    assert images <= FULL_BATCHES_FOR_EACH * MANY * BATCH_IMAGES


def _done_meanwhile(
    recorder: Recorder, small: Producer, names: dict[str, str]
) -> set[tuple[str, int]]:
    """(table, batch) of the large jobs, whose tables have these names."""
    return {
        (names[step.job], step.batch)
        for step in _during(recorder, small)
        if step.what == COMPLETE and step.job in names
    }


def _sizes(output: Path) -> dict[int, int]:
    """Batch -> the number of its images."""
    with closing(Journal(journal_path(output))) as journal:
        return dict(enumerate(map(len, journal.names())))


def _meanwhile(recorder: Recorder, small: Producer) -> tuple[int, int]:
    """The number of the small job's batches, and of others finished in the same time."""
    during = _during(recorder, small)
    job = during[-1].job
    done = {(step.job, step.batch) for step in during if step.what == COMPLETE}
    own = sum(of == job for of, _ in done)
    return own, len(done) - own


def _during(recorder: Recorder, small: Producer) -> list[Step]:
    """The steps from the last-started producer's first hint to its job's last result.

    The work before that hint delays it, but no share of the workers could change that.
    """
    steps = recorder.steps()
    view = small.view
    assert view is not None
    first = next(
        place
        for place, step in enumerate(steps)
        if step.what == HINT and step.who.endswith(f"-{small.pid}")
    )
    last = max(place for place, step in enumerate(steps) if step.job == view.job)
    return steps[first : last + 1]


def test_the_same_command_follows_a_job_that_runs_and_another_one_is_refused(
    stage: Scenario,
) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    for other in (("--restart",), ("--retry-failed",), ("--accept", "95%"), ("--glob", "*.png")):
        refused = stage.classify(*other)
        assert refused.wait() == Exit.USAGE, refused.story
        assert f"is already running; follow it with: hangtag classify {stage.output}" in refused.log
    late = stage.classify("--timeout", "0.5")
    assert late.wait() == Exit.INTERRUPTED, late.story
    assert "runs on after --timeout; the same command follows it" in late.log
    detached = stage.classify("--detach")
    assert detached.wait() == Exit.OK, detached.story
    assert producer.view is not None
    assert detached.out.strip() == producer.view.job
    named = stage.fleet.producer("classify", str(stage.output), cwd=stage.folder)
    following = [stage.classify(), named]
    for command in following:  # otherwise both may open the finished job at once
        command.wait_for_log("done")
    stage.let_go(held)
    stage.check_finished(producer)
    for command in following:
        stage.check_finished(command)
    stage.check_nothing_runs(worker)


def test_who_follows_a_job_finishes_it_if_its_process_dies(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    following = stage.classify()
    following.wait_for_log("done")
    producer.kill()
    stage.let_go(held)
    stage.check_finished(following)
    stage.check_nothing_runs(worker)


def _listed(stage: Scenario, name: str, paths: list[str]) -> Producer:
    file = stage.folder / f"{name}.txt"
    file.write_text("".join(f"{path}\n" for path in paths))
    return stage.fleet.producer(
        "classify", "--list", str(file), "-o", str(stage.folder / name), cwd=stage.gallery.cwd
    )
