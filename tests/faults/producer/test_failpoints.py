"""A command dies at each of its crash points, and the same or the next command goes on. So it does
where the server dies there, or the producer of a job fails or is suspended."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from producer.job.job_index import entries
from producer.job.journal import journal_path
from producer.job.snapshot import JobState, JobView, read_snapshot
from producer.table.verify import verify
from producer.versions.default_model import choice
from shared import keys
from shared.errors import Exit
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.failpoints.armed import KILL, RAISE, STOP, Points, Shot
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.broken_files import mend, spoil
from tests.support.jobs.claims import job_keys
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.fleet import SHORT_TIMES, Fleet, Producer, Worker, wait_for
from tests.support.servers.redis_server import RedisServer

pytestmark = pytest.mark.points

#: Enough for ten messages: each step is passed several times.
FEW = 320
PROGRAM = ("tests.faults.apps.failpoint_producer",)
#: Longer than a heartbeat's TTL, and than a batch waits for its owner.
SUSPENDED_S = 2.5
#: Point -> the passages at which the producer is killed. At the first it also fails or is stopped.
PASSAGES: dict[str, tuple[int, ...]] = {
    "journal.committing": (1, 2, 3, 4, 6),
    "journal.committed": (1, 2, 3, 4, 6),
    "index.drafted": (1,),
    "index.remembered": (1,),
    "queue.resumed": (1,),
    "queue.touched": (1, 3),
    "ledger.survey": (1, 2),
    "queue.images-put": (1, 3),
    "hint.sent": (1, 3),
    "queue.trimmed": (1, 2),
    "table.started": (1,),
    "table.written": (1,),
    "table.placed": (1,),
    "queue.left": (1,),
}
#: The table of this attempt is in place before these.
AT_THE_END = {"table.placed", "queue.left"}
#: The server is killed here, between two steps that need it.
OF_THE_SERVER = [
    Shot("queue.resumed", 1),
    Shot("queue.touched", 2),
    Shot("ledger.survey", 2),
    Shot("journal.committing", 5),
    Shot("journal.committed", 5),
    Shot("queue.trimmed", 2),
    Shot("queue.images-put", 3),
    Shot("hint.sent", 3),
]
OF_THE_SERVER_AT_THE_END = [Shot("table.written", 1), Shot("table.placed", 1)]


class Command(NamedTuple):
    """What a user types."""

    arguments: tuple[str, ...]
    stdin: str | None = None
    settings: dict[str, str] = {}


#: Prepares, yields the command that dies, and then checks what the next commands make of it.
Steps = Iterator[Command]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), FEW)


@pytest.fixture(scope="module")
def fleet(server_binary: Path) -> Iterator[Fleet]:
    """One worker and one server for all tests of this file."""
    with RedisServer(server_binary) as server, Fleet(server, **SHORT_TIMES) as running:
        running.worker()
        yield running


@pytest.fixture
def points(tmp_path: Path) -> Points:
    return Points(tmp_path / "points")


def worker_of(stage: Scenario) -> Worker:
    return next(one for one in stage.fleet.processes if isinstance(one, Worker))


def classifying(stage: Scenario, *options: str, **settings: str) -> Command:
    return Command(("classify", FOLDER, "-o", str(stage.output), *options), settings=settings)


def snapshot(stage: Scenario) -> JobView:
    view = read_snapshot(stage.output)
    assert view is not None
    return view


def a_job(stage: Scenario, shot: Shot) -> Steps:
    yield classifying(stage)
    assert stage.output.exists() == (shot.name in AT_THE_END)
    stage.check_finished(stage.classify())


def a_restart(stage: Scenario, shot: Shot) -> Steps:
    stage.classify("--timeout", "0.7").wait()  # in the middle or finished; both are discarded
    yield classifying(stage, "--restart")
    stage.check_finished(stage.classify("--restart"))


def a_restart_of_a_finished_job(stage: Scenario, shot: Shot) -> Steps:
    """It leaves the old job or the new one."""
    stage.check_finished(stage.classify())
    old = snapshot(stage)
    yield classifying(stage, "--restart")
    if shot.name == "journal.committed":
        assert snapshot(stage).job != old.job
        stage.check_finished(stage.classify())
    else:
        assert snapshot(stage) == old
        assert verify(stage.output).proven
        stage.check_finished(stage.hangtag("collect", old.job))
    stage.check_finished(stage.classify("--restart"))


def a_restart_of_an_unreadable_journal(stage: Scenario, shot: Shot) -> Steps:
    stage.check_finished(stage.classify())
    journal_path(stage.output).write_bytes(b"no journal" * 1000)
    yield classifying(stage, "--restart")
    stage.check_finished(stage.classify("--restart"))


def a_job_that_never_starts(stage: Scenario, shot: Shot) -> Steps:
    yield classifying(stage, "--model", "no-such-model")
    stage.check_finished(stage.classify())


def a_retry(stage: Scenario, shot: Shot) -> Steps:
    """In small messages, so that each step is passed several times."""
    small = {"HANGTAG_BATCH_IMAGES": "8"}
    shutil.copytree(stage.gallery.cwd / FOLDER, stage.folder / FOLDER)
    stage.gallery = stage.gallery._replace(cwd=stage.folder)
    broken = spoil(stage, range(0, FEW, 8))
    assert stage.classify(**small).wait() == Exit.SOME_FAILED
    mend(stage, broken)
    old = stage.output.read_bytes()
    yield classifying(stage, "--retry-failed", **small)
    if shot.name not in AT_THE_END:
        assert stage.output.read_bytes() == old
    stage.check_finished(stage.classify("--retry-failed", **small))
    assert verify(stage.output, deep=True).proven


def waiting_job(stage: Scenario) -> Producer:
    """A job whose worker is suspended."""
    worker_of(stage).sleep()
    producer = stage.classify()
    wait_for("the job", lambda: stage.fleet.client.zcard(keys.JOBS) and producer.view)
    return producer


def a_cancellation(stage: Scenario, shot: Shot) -> Steps:
    waiting = waiting_job(stage)
    yield Command(("cancel", str(stage.output)))
    assert waiting.wait() == Exit.CANCELLED, waiting.story
    assert job_keys(stage.fleet.client) == []
    worker_of(stage).wake()
    stage.check_finished(stage.classify())


def a_forgetting(stage: Scenario, shot: Shot) -> Steps:
    """The repeated command finds the job, or nothing is left of it."""
    waiting_job(stage).interrupt()
    old = snapshot(stage)
    assert job_keys(stage.fleet.client) != []
    yield Command(("forget", str(stage.output), "--yes"))
    again = stage.hangtag("forget", old.job, "--yes")
    assert again.wait() in (Exit.OK, Exit.USAGE), again.story
    assert job_keys(stage.fleet.client) == []
    assert not journal_path(stage.output).exists()
    assert old.job not in {entry.id for entry in entries()}
    worker_of(stage).wake()
    stage.check_finished(stage.classify())


def a_submission(stage: Scenario, shot: Shot) -> Steps:
    """The job continues without its command."""
    yield Command(("classify", "--detach", FOLDER, "-o", str(stage.output)))
    wait_for(
        "the table", lambda: (v := read_snapshot(stage.output)) and v.state is JobState.FINISHED
    )
    stage.check_finished(stage.hangtag("classify", str(stage.output)))


def a_piped_list(stage: Scenario, shot: Shot) -> Steps:
    """The first command is stopped; the next one adds lines; the same one continues."""
    lines = [f"{path}\n" for path in stage.gallery.paths]
    arguments, whole = ("classify", "--list", "-", "-o", str(stage.output)), "".join(lines)
    worker_of(stage).sleep()
    cwd = stage.gallery.cwd
    first = stage.fleet.producer(*arguments, cwd=cwd, stdin="".join(lines[:200]))
    first.wait_until_sent()
    first.interrupt()
    worker_of(stage).wake()
    yield Command(arguments, whole)
    stage.check_finished(stage.fleet.producer(*arguments, cwd=cwd, stdin=whole))
    assert verify(stage.output).proven
    (recorded,) = stage.folder.glob("out.csv.hangtag.list-*")
    assert recorded.read_text() == whole


def a_status(stage: Scenario, shot: Shot) -> Steps:
    """It changes no job."""
    stage.fleet.client.zadd(keys.JOBS, {"abcdefgh": 1.0})  # its keys have expired
    yield Command(("status",))
    assert stage.fleet.client.zcard(keys.JOBS) == 0
    stage.check_finished(stage.classify())


def a_choice_of_a_model(stage: Scenario, shot: Shot) -> Steps:
    """The default is the earlier model or the chosen one."""
    card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
    Registry(Settings.from_env().store_path).publish(card, {"model.tflite": b"1"})
    before, after = "shoes", packaged.NAME
    if shot.name == "default-model.stored":
        before, after = after, before
    here = {"HANGTAG_REDIS_URL": ""}

    def use(model: str) -> Exit:
        used = stage.fleet.producer("models", "use", model, cwd=stage.gallery.cwd, **here)
        return Exit(used.wait())

    assert use(before) == Exit.OK
    yield Command(("models", "use", after), settings=here)
    assert choice(Settings.from_env()).model == after
    assert use(after) == Exit.OK
    assert choice(Settings.from_env()).model == after


def shots(*names: str) -> list[Shot]:
    """Kill at the first passage of each point."""
    return [Shot(name) for name in names]


#: Every command that dies, and where.
CRASHES: dict[Callable[[Scenario, Shot], Steps], list[Shot]] = {
    a_job: [Shot(name, nth) for name, passages in PASSAGES.items() for nth in passages],
    a_restart: shots("queue.left", "index.replaced-forgotten"),
    a_restart_of_a_finished_job: shots(
        "index.drafted", "index.remembered", "journal.committing", "journal.committed"
    ),
    a_restart_of_an_unreadable_journal: shots("journal.log-removed", "journal.emptied"),
    a_job_that_never_starts: shots("journal.removed"),
    a_retry: [
        *(Shot("journal.committing", nth) for nth in (1, 2, 3, 4)),
        *(Shot("journal.committed", nth) for nth in (1, 2, 3, 4)),
        *(Shot("hint.sent", nth) for nth in (1, 2)),
        *shots("queue.trimmed", "table.written", "table.placed", "queue.left"),
    ],
    a_cancellation: shots("ledger.cancel"),
    a_forgetting: [
        *shots("queue.left", "journal.log-removed", "journal.emptied", "forget.file-removed"),
        Shot("forget.file-removed", 4),
        *shots("index.forgotten"),
    ],
    a_submission: shots("background.begun"),
    a_piped_list: shots("list.recorded", "list.forgotten"),
    a_status: shots("status.expired-forgotten"),
    a_choice_of_a_model: shots("default-model.stored", "default-model.removed"),
}


@pytest.mark.parametrize(
    ("crash", "shot"),
    [
        pytest.param(crash, shot, id=f"{crash.__name__}-{shot}")
        for crash, points in CRASHES.items()
        for shot in points
    ],
)
def test_a_command_that_is_killed_at_any_point_is_continued_by_the_next(
    stage: Scenario, points: Points, crash: Callable[[Scenario, Shot], Steps], shot: Shot
) -> None:
    steps = crash(stage, shot)
    typed = next(steps)
    points.arm(shot)
    check_killed(points, armed(stage, points, typed))
    assert next(steps, None) is None


def armed(stage: Scenario, points: Points, typed: Command) -> Producer:
    return stage.fleet.producer(
        *typed.arguments, cwd=stage.gallery.cwd, program=PROGRAM, stdin=typed.stdin,
        **points.settings, **typed.settings,
    )  # fmt: skip


def check_killed(points: Points, command: Producer) -> None:
    """Wait for the end of a command that is killed at the armed point."""
    assert command.wait() == -signal.SIGKILL, f"it never reached that point\n{command.story}"
    assert points.victim() == command.pid, command.story


@pytest.mark.parametrize("name", PASSAGES)
def test_a_producer_that_fails_at_any_point_is_continued_by_the_same_command(
    stage: Scenario, points: Points, name: str
) -> None:
    points.arm(Shot(name, 1, RAISE))
    producer = armed(stage, points, classifying(stage))
    assert producer.wait() == Exit.SETUP, producer.story
    assert points.victim() == producer.pid
    assert stage.output.exists() == (name in AT_THE_END)
    stage.check_finished(stage.classify())


@pytest.mark.parametrize("name", PASSAGES)
def test_a_producer_that_is_suspended_at_any_point_goes_on(
    stage: Scenario, points: Points, name: str
) -> None:
    points.arm(Shot(name, 1, STOP))
    producer = armed(stage, points, classifying(stage))
    stopped = points.wait_until_stopped()
    time.sleep(SUSPENDED_S)
    procfs.go_on(stopped)
    stage.check_finished(producer)


def test_a_result_that_redis_lost_is_computed_again_although_the_producer_dies(
    stage: Scenario, points: Points
) -> None:
    points.arm(Shot("hint.sent", 2, STOP), Shot("queue.batch-reopened", 1, KILL))
    producer = armed(stage, points, classifying(stage))
    stopped = points.wait(0)
    client = stage.fleet.client
    (record,) = wait_for("the job", lambda: list(client.scan_iter(keys.job("*", "record"))))
    job = record.decode().split(":")[-2]
    # Redis has the second result, at least: a fast fleet's first has been read before.
    wait_for("two results", lambda: client.bitcount(keys.job(job, "done")) == 2)
    assert client.delete(keys.job(job, "results"))
    procfs.go_on(stopped)
    check_killed(points, producer)
    stage.check_finished(stage.classify())


@pytest.mark.parametrize("shot", OF_THE_SERVER, ids=str)
def test_a_server_killed_at_any_point_and_restarted_empty_costs_no_row(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    server = stage.fleet.server
    points.arm(shot._replace(pid=server.pid))
    producer = armed(stage, points, classifying(stage))
    producer.wait_for_log("Redis has been unreachable")
    assert points.victim() == producer.pid
    assert not server.running
    assert producer.view is None or producer.view.done < FEW
    server.restart()
    stage.check_finished(producer)


@pytest.mark.parametrize("shot", OF_THE_SERVER_AT_THE_END, ids=str)
def test_a_server_killed_after_the_last_result_is_not_needed(
    stage: Scenario, points: Points, shot: Shot
) -> None:
    server = stage.fleet.server
    points.arm(shot._replace(pid=server.pid))
    producer = armed(stage, points, classifying(stage))
    assert producer.wait() == Exit.OK, producer.story
    assert not server.running
    stage.check_table(stage.output.read_bytes())
    server.start()
