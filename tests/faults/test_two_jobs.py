"""Jobs that run at once, and the same job started twice."""

from __future__ import annotations

from shared.exits import Exit
from tests.fleet import Producer
from tests.stage import Stage

BIG_TIMES = 20
SMALL_PICTURES = 10


def test_ten_pictures_do_not_wait_for_tens_of_thousands(stage: Stage) -> None:
    stage.fleet.worker()
    big = _listed(stage, "big", stage.gallery.paths * BIG_TIMES)
    big.wait_until_done(len(stage.gallery.paths) // 10)
    small = _listed(stage, "small", stage.gallery.paths[:SMALL_PICTURES])
    assert small.wait() == Exit.OK
    rows = small.output.read_bytes().splitlines()
    assert rows == stage.gallery.table.splitlines()[: SMALL_PICTURES + 1]
    view = big.view
    assert big.running
    assert view is not None
    assert view.done < len(stage.gallery.paths) * BIG_TIMES


def test_two_jobs_at_once_do_not_touch_each_others_rows(stage: Stage) -> None:
    worker = stage.fleet.worker()
    half = len(stage.gallery.paths) // 2
    first = _listed(stage, "first", stage.gallery.paths[:half])
    second = _listed(stage, "second", stage.gallery.paths[half:])
    assert (first.wait(), second.wait()) == (Exit.OK, Exit.OK)
    rows = first.output.read_bytes() + b"".join(
        second.output.read_bytes().splitlines(keepends=True)[1:]
    )
    stage.check_table(rows)
    stage.check_nothing_runs(worker)


def test_the_same_job_started_twice_is_refused_and_collect_is_named(stage: Stage) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    second = stage.classify()
    assert second.wait() == Exit.USAGE
    assert f"hangtag collect {stage.output}" in second.log
    stage.let_go(held)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def _listed(stage: Stage, name: str, paths: list[str]) -> Producer:
    file = stage.folder / f"{name}.txt"
    file.write_text("".join(f"{path}\n" for path in paths))
    return stage.fleet.producer(
        "classify", "--list", str(file), "-o", str(stage.folder / name), cwd=stage.gallery.cwd
    )
