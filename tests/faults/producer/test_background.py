"""Jobs in the background: submit, status, collect."""

from __future__ import annotations

import msgspec
import pytest

from producer.job.snapshot import JobState, JobView
from shared.errors import Exit
from tests.support.images.gallery import FOLDER
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import Producer, Worker, wait_for

MAX_FILE_BYTES = 64 << 20


def test_a_detached_job_is_followed_by_its_id_or_table(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    job = _submit(stage)
    assert _status(stage, job).job == job
    collect = stage.hangtag("collect", job)
    assert collect.wait() == Exit.OK, collect.story
    stage.check_table(stage.output.read_bytes())
    assert _status(stage, job).state is JobState.FINISHED
    stage.check_nothing_runs(worker)


def test_a_job_without_its_producer_is_paused_and_its_table_continues_it(stage: Scenario) -> None:
    worker = stage.fleet.worker()
    job = _submit(stage)
    producer = _detached(stage, worker)
    procfs.stop(worker.pid)  # the job must not finish before its status is read
    for child in worker.children:
        procfs.stop(child)
    procfs.kill(producer)
    procfs.wait_for_end([producer])
    view = _status(stage, job)
    assert view.state is JobState.PAUSED
    assert view.done < len(stage.gallery.paths)
    worker.wake()
    again = stage.hangtag("classify", str(stage.output))
    assert again.wait() == Exit.OK, again.story
    stage.check_table(stage.output.read_bytes())
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("ending", ["finished", "cancelled"])
def test_the_end_of_a_job_is_reported_as_its_own_command_does(stage: Scenario, ending: str) -> None:
    worker = stage.fleet.worker()
    stage.fleet.client.config_set("maxmemory", "100mb")  # limits the job's file size
    classify = stage.classify("--json")
    classify.wait_until_done(1)
    held = stage.catch(classify, worker)
    word = "collect" if ending == "cancelled" else "classify"
    collect = stage.fleet.producer(word, str(stage.output), "--json", cwd=stage.gallery.cwd)
    collect.wait_for_log("done")
    if ending == "cancelled":
        assert stage.hangtag("cancel", str(stage.output)).wait() == Exit.OK
        assert classify.wait() == Exit.CANCELLED, classify.story
    stage.let_go(held)
    code = Exit.CANCELLED if ending == "cancelled" else Exit.OK
    assert classify.wait() == code, classify.story
    assert collect.wait() == code, collect.story
    summary = msgspec.json.decode(collect.out)
    ended = msgspec.json.decode(classify.out)
    so_far = f"{stage.output}.part" if ending == "cancelled" else ""
    assert summary == ended | {"part": so_far}
    assert summary["classified"] == summary["done"] > 0  # the only attempt
    assert summary["seconds"] > 0
    assert summary["max_file_bytes"] < MAX_FILE_BYTES
    stage.fleet.client.config_set("maxmemory", 0)
    assert _last(collect, "images") == _last(classify, "images")
    assert "already" not in collect.log
    again = stage.hangtag(word, str(stage.output))
    assert again.wait() == code, again.story
    assert ("finished already" in again.log) == (ending == "finished")
    assert "--restart" not in again.log.replace("classify --restart", "")
    stage.check_nothing_runs(worker)


def _last(command: Producer, word: str) -> str:
    """The last line of a command's log that contains this word."""
    return [line for line in command.log.splitlines() if word in line][-1]


def test_a_detached_job_that_cannot_start_reports_why(stage: Scenario) -> None:
    stage.output.write_text("another table")
    command = _submit_command(stage)
    assert command.wait() == Exit.USAGE
    assert "choose another -o" in command.log
    assert stage.output.read_text() == "another table"
    assert stage.fleet.pids == []


def _submit_command(stage: Scenario) -> Producer:
    return stage.hangtag("classify", "--detach", FOLDER, "-o", str(stage.output), "--json")


def _submit(stage: Scenario) -> str:
    command = _submit_command(stage)
    assert command.wait() == Exit.OK, command.story
    job = msgspec.json.decode(command.out, type=dict[str, str])["job"]
    assert isinstance(job, str)
    return job


def _detached(stage: Scenario, worker: Worker) -> int:
    """The pid of the background producer."""
    known = {worker.pid, *worker.children}
    return wait_for("the producer", lambda: next(iter(set(stage.fleet.pids) - known), None))


def _status(stage: Scenario, job: str) -> JobView:
    command = stage.hangtag("status", job, "--json")
    assert command.wait() == Exit.OK, command.story
    return msgspec.json.decode(command.out, type=JobView)
