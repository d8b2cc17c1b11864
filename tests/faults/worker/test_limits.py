"""`--timeout` and `--max-failures`: a job that stops early can be resumed."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import pytest

from producer.job.snapshot import JobState, read_snapshot
from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.claims import job_keys
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import Producer, wait_for

IMAGES = 200
BROKEN = 20
RUBBISH = 2_600


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """Some images, after BROKEN files that are not images."""
    cwd = tmp_path_factory.mktemp("broken")
    folder = cwd / FOLDER / "0-broken"
    folder.mkdir(parents=True)
    for i in range(BROKEN):
        (folder / f"{i:02}.png").write_bytes(b"not an image")
    return gallery.make(cwd, IMAGES)


def test_too_many_failures_stop_the_job_and_keep_its_rows(stage: Scenario) -> None:
    """One child does the broken files first; of two, one could do all others meanwhile."""
    worker = stage.fleet.worker(1)
    stopped = stage.classify("--max-failures", "5")
    assert stopped.wait() == Exit.BUDGET, stopped.story
    assert "more failures than --max-failures allows; the rows so far are in" in stopped.log
    assert f"{stage.output}.part" in stopped.log
    assert "continue with a higher --max-failures, or with --retry-failed" in stopped.log
    assert "same command" not in stopped.log
    verify = stage.hangtag("verify", str(stage.output))
    assert verify.wait() == Exit.NOT_PROVEN, verify.story
    assert "stopped by --max-failures" in verify.out
    assert stopped.view is not None
    assert stopped.view.done < len(stage.gallery.paths)
    assert job_keys(stage.fleet.client) == []
    assert not stage.output.exists()
    rows = _rows(Path(f"{stage.output}.part"))
    assert rows
    assert [row["path"] for row in rows] == stage.gallery.paths[: len(rows)]
    higher = stage.classify("--max-failures", str(BROKEN))
    stage.check_finished(higher, Exit.SOME_FAILED)
    stage.check_nothing_runs(worker)


def test_each_run_of_a_finished_job_applies_its_own_limit(
    stage: Scenario,
) -> None:
    worker = stage.fleet.worker()
    for limit, code in (
        (["1%"], Exit.BUDGET),
        (["1%"], Exit.BUDGET),
        (["50%"], Exit.SOME_FAILED),
        ([str(BROKEN - 1)], Exit.BUDGET),
        ([], Exit.SOME_FAILED),
    ):
        option = ["--max-failures", *limit] if limit else []
        stage.check_finished(stage.classify(*option), code)
        assert (view := read_snapshot(stage.output))
        assert view.exit_code == code
        collect = stage.hangtag("collect", str(stage.output))
        assert collect.wait() == code, collect.story
    stage.check_nothing_runs(worker)


def test_rubbish_stops_the_job_long_before_its_end(stage: Scenario, tmp_path: Path) -> None:
    folder = tmp_path / "rubbish" / FOLDER
    folder.mkdir(parents=True)
    for i in range(RUBBISH):
        (folder / f"{i:05}.png").write_bytes(b"not an image")
    worker = stage.fleet.worker()
    command = ("classify", FOLDER, "-o", str(stage.output), "--max-failures", "50%")
    stopped = stage.fleet.producer(*command, cwd=folder.parent)
    assert stopped.wait() == Exit.BUDGET, stopped.story
    view = stopped.view
    assert view is not None
    assert view.done < RUBBISH / 2
    assert len(_rows(Path(f"{stage.output}.part"))) == view.done
    again = stage.fleet.producer(*command, cwd=folder.parent)  # with the same files
    assert again.wait() == Exit.BUDGET, again.story
    assert "continue with a higher --max-failures" in again.log
    resumed = stage.fleet.producer(*command[:4], "--timeout", "3", cwd=folder.parent)
    assert resumed.wait() in (Exit.SOME_FAILED, Exit.INTERRUPTED), resumed.story
    assert resumed.view is not None
    assert resumed.view.done > view.done
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("when", ["while it runs", "when it has stopped"])
def test_collect_applies_the_limit_of_the_job(stage: Scenario, when: str) -> None:
    worker = stage.fleet.worker()
    detached = stage.classify("--detach", "--max-failures", "5")
    assert detached.wait() == Exit.OK, detached.story
    if when == "when it has stopped":
        wait_for(
            "its end",
            lambda: (v := read_snapshot(stage.output)) and v.state is not JobState.RUNNING,
        )
    for _ in range(2):
        collect = stage.hangtag("collect", str(stage.output), "--json")
        assert collect.wait() == Exit.BUDGET, collect.story
        found = msgspec.json.decode(collect.out)
        assert found["part"] == f"{stage.output}.part"
        assert sum(found["answers"]["labels"].values()) + found["failed"] == found["done"]
        assert len(_rows(Path(found["part"]))) == found["done"] < len(stage.gallery.paths)
    stage.check_nothing_runs(worker)


def test_an_edited_list_is_refused_and_a_longer_list_is_not(stage: Scenario) -> None:
    """In the middle of a job, and after its end: no row is doubled and none is lost."""
    listed = stage.folder / "list"
    paths = stage.gallery.paths
    listed.write_text("\n".join([*paths[:-1], ""]))
    command = ("classify", "--list", str(listed), "-o", str(stage.output))

    def run(*options: str) -> Producer:
        return stage.fleet.producer(*command, *options, cwd=stage.gallery.cwd)

    assert run("--timeout", "4").wait() == Exit.INTERRUPTED
    worker = stage.fleet.worker()
    good = listed.read_text()

    def check_refused() -> None:
        listed.write_text(f"new.png\n{good}")
        refused = run()
        assert refused.wait() == Exit.USAGE, refused.story
        (line,) = refused.log.splitlines()
        assert "--restart" in line

    check_refused()
    good += f"{paths[-1]}\n"
    listed.write_text(good)
    stage.check_finished(run(), Exit.SOME_FAILED)
    check_refused()
    stage.check_table(stage.output.read_bytes())
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("end", ["timeout", "cancel"])
def test_the_message_after_a_stopped_restart_keeps_its_work(stage: Scenario, end: str) -> None:
    if end == "timeout":
        stopped = stage.classify("--restart", "--timeout", "4")
        assert stopped.wait() == Exit.INTERRUPTED, stopped.story
        message = f"resume it with: hangtag classify {stage.output}"
    else:
        stopped = stage.classify("--restart")
        stopped.wait_until_sent()
        assert stage.hangtag("cancel", str(stage.output)).wait() == Exit.OK
        assert stopped.wait() == Exit.CANCELLED, stopped.story
        message = f"cancelled; resume it with: hangtag classify {stage.output}"
    assert stopped.log.splitlines()[-1] == message
    assert stopped.view is not None
    worker = stage.fleet.worker()
    resumed = stage.classify()
    stage.check_finished(resumed, Exit.SOME_FAILED)
    assert resumed.view is not None
    assert resumed.view.job == stopped.view.job
    stage.check_nothing_runs(worker)


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
