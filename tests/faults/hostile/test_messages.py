"""Arbitrary messages are pushed into the queue while a job runs: dropped and logged once."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared import keys
from shared.broker.message_filter import CLASSIFY_TASK, TRAIN_TASK
from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs import hostile_messages
from tests.support.jobs.claims import claims
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import BATCH_IMAGES, Fleet, Worker, wait_for

LINES = 30  # a minute
DROPPED = "dropped a message that is not a hint: "
#: Harmless: the hint is rewritten without these fields.
HARMLESS = {"header: nesting", "header: result", "tag is a list", "tag is missing"}
LINE_CHARS = 600
LARGE_BYTES = 64 << 20
#: The limit of a parent's growth after it has read LARGE_BYTES.
GROWTH_BYTES = 100 << 20
IMAGES = 480
FLOOD = 20_000
GROUPS = ("no messages", "no hints", "commands", "payloads")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


@pytest.mark.parametrize("group", GROUPS)
def test_forged_messages_are_dropped_and_the_job_continues(stage: Scenario, group: str) -> None:
    marker = stage.folder / "marker"
    messages = _messages(group, CLASSIFY_TASK, (hostile_messages.NO_JOB, 0), marker)
    worker = stage.fleet.worker()
    children = worker.children
    producer = stage.classify()
    stage.reach_the_middle(producer)
    stage.catch(producer, worker)
    for raw in messages.values():
        stage.fleet.client.lpush(keys.CLASSIFY_QUEUE, raw)
    worker.wake()
    stage.check_finished(producer)
    _wait_for_an_empty_queue(stage.fleet)
    assert worker.children == children
    _check_log(worker, len(messages.keys() - HARMLESS))
    assert not marker.exists()
    _check_nothing_is_left(stage.fleet)
    stage.check_nothing_runs(worker)


def test_forged_commands_with_a_valid_hint_of_the_job_do_nothing(stage: Scenario) -> None:
    """A child holds the batch: a time limit in the hint could kill this child."""
    worker = stage.fleet.worker()
    children = worker.children
    producer = stage.classify()
    held = stage.catch(producer, worker)
    messages = hostile_messages.commands(CLASSIFY_TASK, (held.job, held.batch))
    for raw in messages.values():
        stage.fleet.client.rpush(keys.CLASSIFY_QUEUE, raw)  # these are delivered next
    stage.let_go(held)
    stage.check_finished(producer)
    assert worker.children == children
    _check_log(worker, len(messages.keys() - HARMLESS))
    _check_nothing_is_left(stage.fleet)
    stage.check_nothing_runs(worker)


def test_a_message_of_64_mb_is_dropped_and_its_memory_freed(fleet: Fleet) -> None:
    worker = fleet.worker(1)
    children, before = worker.children, _resident(worker.pid)
    for _ in range(3):
        fleet.client.lpush(keys.CLASSIFY_QUEUE, b'"' + b"x" * LARGE_BYTES + b'"')
    _wait_for_an_empty_queue(fleet)
    wait_for("three lines", lambda: worker.log.count(DROPPED) == 3)
    assert _resident(worker.pid) - before < GROWTH_BYTES
    assert worker.children == children
    _check_log(worker, 3)


def test_a_flood_adds_few_log_lines_and_the_next_hint_is_taken(stage: Scenario) -> None:
    worker = stage.fleet.worker(1)
    for _ in range(FLOOD // 1000):
        stage.fleet.client.lpush(keys.CLASSIFY_QUEUE, *[b"junk"] * 1000)
    _wait_for_an_empty_queue(stage.fleet)
    stage.check_finished(stage.classify())
    assert LINES <= worker.log.count(DROPPED) <= 4 * LINES


def test_hints_of_another_job_are_only_hints(stage: Scenario, tmp_path: Path) -> None:
    """Both jobs get hints for every batch, and for batches that do not exist."""
    worker = stage.fleet.worker()
    other_output = tmp_path / "other.csv"
    other = stage.fleet.producer("classify", FOLDER, "-o", str(other_output), cwd=stage.gallery.cwd)
    producer = stage.classify()
    producer.wait_until_sent()
    held = stage.catch(producer, worker)
    jobs = {held.job} | {claim.job for claim in claims(stage.fleet.client)}
    for job in jobs:
        for batch in (*range(len(stage.gallery.paths) // BATCH_IMAGES + 2), 10**6, (1 << 31) - 1):
            raw = hostile_messages.message(args=(job, batch))
            stage.fleet.client.lpush(keys.CLASSIFY_QUEUE, raw)
    stage.let_go(held)
    assert other.wait() == Exit.OK, other.story
    assert other_output.read_bytes() == stage.gallery.table
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("group", GROUPS)
def test_a_trainer_drops_them_as_well(fleet: Fleet, tmp_path: Path, group: str) -> None:
    messages = _messages(group, TRAIN_TASK, ("unknown",), tmp_path / "marker")
    trainer = fleet.worker(1, "worker.trainer", HANGTAG_STORE=str(tmp_path / "store"))
    children = trainer.children
    for raw in messages.values():
        fleet.client.lpush(keys.TRAIN_QUEUE, raw)
    wait_for("an empty queue", lambda: not fleet.client.llen(keys.TRAIN_QUEUE))
    # Commands with a classification hint are not valid hints for a trainer.
    harmless = HARMLESS if group == "commands" else set()
    wanted = len(messages.keys() - harmless)
    wait_for(f"{wanted} lines", lambda: trainer.log.count(DROPPED) >= wanted, timeout_s=10)
    _check_log(trainer, wanted)
    if group != "commands":
        assert trainer.children == children  # a valid hint takes a new process
    assert not (tmp_path / "marker").exists()
    assert trainer.end() == 0, trainer.story


def _messages(group: str, task: str, hint: tuple[object, ...], marker: Path) -> dict[str, bytes]:
    if group == "no messages":
        return hostile_messages.no_messages()
    if group == "no hints":
        return hostile_messages.no_hints(task, hint)
    return (
        hostile_messages.commands(task, hint)
        if group == "commands"
        else hostile_messages.payloads(task, marker)
    )


def _wait_for_an_empty_queue(fleet: Fleet) -> None:
    wait_for("an empty queue", lambda: not fleet.client.llen(keys.CLASSIFY_QUEUE), poll_s=0.05)


def _check_log(worker: Worker, dropped: int) -> None:
    """One short line per dropped message, and no traceback."""
    wait_for(f"{dropped} lines", lambda: worker.log.count(DROPPED) >= dropped, timeout_s=10)
    lines = [line for line in worker.log.splitlines() if DROPPED in line]
    assert len(lines) == dropped
    assert max(map(len, lines)) < LINE_CHARS
    assert "Traceback" not in worker.log


def _check_nothing_is_left(fleet: Fleet) -> None:
    """No keys outside Hangtag's prefix: nothing was published elsewhere or stored for later."""
    left = {key.decode() for key in fleet.client.scan_iter()}
    assert not {key for key in left if not key.startswith(keys.PREFIX)}


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
