"""The loop of a job on a real server; the test is its worker, at the events of the loop."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from producer.job.job_options import ErrorBudget
from producer.job.journal import journal_path
from producer.job.totals import JobCounts
from producer.machine.stack import BrokerSession
from producer.present.events import Event, Events, Found, Notice, Stored, Waiting
from producer.run.batcher import Batch
from producer.run.classify import classify
from producer.run.connect import Attempt, Connector, OpenJob
from producer.run.job import Job
from producer.run.job_queue import JobQueue, PublishedProgress
from producer.run.loop import DispatchLoop
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from shared import keys
from shared.broker.celery_app import make_app
from shared.broker.redis_client import connect
from shared.errors import BrokerRefuses, Exit, SetupError, StillOpen
from shared.ledger import heartbeats
from shared.ledger.batch_ledger import LOADING, BatchLedger
from shared.ledger.heartbeats import Heartbeat
from shared.messages.batch import decode_payload, encode_result
from shared.messages.files import DIGEST_BYTES, NO_DIGEST, Reference
from shared.settings import Settings
from shared.stop import unstoppable
from tests.support.jobs.batchers import resumed_batcher
from tests.support.jobs.finished_job import ID, RUBBISH, answered, options_of, start
from tests.support.jobs.image_blobs import decode_images
from tests.support.servers.redis_server import RedisServer

FILES = 3
WORKER = "host:1:1"
OWNER = f"{WORKER}/2:1"
#: A loop that should have ended ends then, as interrupted.
PATIENCE_S = 10.0
MIB = 1 << 20
RESET = struct.pack("ii", 1, 0)  # of a socket, instead of its usual end
NO_WORKER = "no worker is alive"


class Session(BrokerSession):
    """That of a stack, which the test ends."""

    has_ended = False

    def revive(self) -> None:
        assert not self.has_ended, "a stack that was stopped on purpose is started again"


class Scene:
    """A job of a few files with its loop."""

    def __init__(self, server: RedisServer, job: Job) -> None:
        self.server, self.job = server, job
        self.settings = Settings(redis_url=server.url)
        app = make_app(server.url, "test")
        self.queue = JobQueue(connect(server.url, "test"), app, job.record, self.settings)
        self.ledger = BatchLedger(server.client, ID, self.settings.claim_limit_s)
        self.use = Session(self.settings)
        self.seen: list[Event] = []
        self.budget = ErrorBudget()

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.seen if isinstance(event, Notice)]

    @property
    def offered(self) -> list[int]:
        """The batches whose images are in Redis."""
        return [int(n) for n in self.server.client.hkeys(keys.job(ID, "payload"))]

    def attempt(self, act: Callable[[Event], None]) -> Attempt:
        """One whose events `act` gets."""
        events, deadline = Events(), time.monotonic() + PATIENCE_S
        events.subscribe(self.seen.append)
        events.subscribe(act)
        waits = unstoppable()
        return Attempt(self.settings, events, waits, self.use, self.budget, deadline=deadline)

    def run(self, act: Callable[[Event], None]) -> Exit:
        """Run the loop; `act` gets each event."""
        files = RowFiles(JobSources(self.job.options))
        opened = OpenJob(self.job.pinned, self.job.journal, self.queue, files)
        return DispatchLoop(self.attempt(act), opened).execute()

    def work(self, event: Event | None = None) -> None:
        """Finish each batch that is offered."""
        for n in self.offered:
            images = decode_images(self.ledger.claim(n, OWNER).payload)
            assert self.ledger.complete(n, OWNER, encode_result(answered(images)))

    def freeze(self) -> Batch:
        """Have the journal of an earlier run, which has died, with the only batch of the job."""
        self.queue.touch(PublishedProgress(JobCounts(FILES)))
        batch = resumed_batcher(self.job, self.settings).next()
        assert batch is not None
        self.job.journal.commit([batch.frozen])
        return batch

    def beat(self) -> None:
        """Have a worker that is alive."""
        at_ms = heartbeats.server_ms(self.server.client)
        beat = Heartbeat(
            WORKER, "host", 1, keys.CLASSIFY_QUEUE, ["2:1"], [], 0, 0.0, 0, at_ms, at_ms, {}
        )
        heartbeats.beat(self.server.client, beat, PATIENCE_S)


@pytest.fixture
def scene(server: RedisServer, tmp_path: Path) -> Iterator[Scene]:
    (tmp_path / "photos").mkdir()
    for n in range(FILES):
        (tmp_path / f"photos/{n}.png").write_bytes(b"image %d" % n)
    with closing(Job(options_of(tmp_path, b"photos"))) as job:
        start(job, job.options)
        made = Scene(server, job)
        with closing(made.queue):
            yield made


def test_progress_has_the_number_of_files_and_what_the_first_results_wait_for(
    scene: Scene,
) -> None:
    scene.beat()
    assert scene.run(scene.work) is Exit.OK
    assert [event for event in scene.seen if isinstance(event, Found)][-1] == Found(FILES, FILES)
    assert scene.seen.count(Stored(FILES, 0)) == 1  # it ends then
    assert Waiting("waiting for the first results") in scene.seen


@pytest.mark.parametrize("early", [True, False])
def test_a_missing_worker_is_named_once_those_that_start_had_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, early: bool
) -> None:
    monkeypatch.setattr("producer.run.loop.AT_FIRST_S", PATIENCE_S if early else 0.0)

    def act(event: Event) -> None:
        if isinstance(event, Waiting) and Waiting(event.text) in scene.seen[:-1]:
            scene.work()

    assert scene.run(act) is Exit.OK
    assert Waiting("waiting for a worker") in scene.seen
    assert any(text.startswith(NO_WORKER) for text in scene.notices) is not early


@pytest.mark.parametrize("unreachable", [False, True])
def test_a_job_stops_with_the_stack_that_is_stopped_on_purpose(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, unreachable: bool
) -> None:
    if unreachable:
        monkeypatch.setattr("producer.run.loop.POLL_EVERY_AT_FIRST_S", PATIENCE_S)

    def act(event: Event) -> None:
        if isinstance(event, Stored) and not scene.use.has_ended:
            scene.use.has_ended = True
            if unreachable:
                scene.server.kill()

    assert scene.run(act) is Exit.INTERRUPTED
    assert scene.notices == ["this machine's stack was stopped with hangtag down; the job stops"]


@pytest.mark.parametrize("closes", [False, True], ids=["full", "closing"])
def test_a_job_that_waits_for_its_server_stops_with_the_stack_as_well(
    scene: Scene, closes: bool
) -> None:
    """A server that is full, and one that closes each connection since it has too many."""

    def act(event: Event) -> None:
        scene.use.has_ended = True

    with closing_server() as address:
        if closes:
            scene.settings = Settings(redis_url=address)
        else:
            scene.server.limit_memory(1)
        with pytest.raises(StillOpen, match="was stopped with hangtag down; run the same command"):
            Connector(scene.attempt(act), scene.job).queue()


@contextmanager
def closing_server() -> Iterator[str]:
    """The address of a server that resets each connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.recv(1)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("done", [True, False])
def test_a_cancelled_job_ends_unless_its_last_result_is_there(scene: Scene, done: bool) -> None:
    batch = scene.freeze()
    if done:
        scene.queue.offer([(batch.frozen.n, batch.blob)])
        scene.work()
    scene.ledger.cancel()
    assert scene.run(lambda event: None) is (Exit.OK if done else Exit.CANCELLED)
    assert scene.offered == []


def test_a_result_that_waits_for_its_producer_is_not_computed_again(scene: Scene) -> None:
    batch = scene.freeze()
    scene.queue.offer([(batch.frozen.n, batch.blob)])
    scene.work()
    hints = scene.queue.hints_queued()
    assert scene.run(lambda event: None) is Exit.OK
    assert scene.offered == []
    assert scene.queue.hints_queued() == hints


def test_results_of_no_batch_are_removed_and_the_job_goes_on(scene: Scene) -> None:
    stream = keys.job(ID, "results")
    for n in (b"-1", b"%d" % FILES):
        scene.server.client.xadd(stream, {b"b": n, b"r": b"result"})
    assert scene.run(scene.work) is Exit.OK
    assert scene.server.client.xlen(stream) == 0


def test_a_job_that_its_budget_stops_leaves_the_rows_so_far(scene: Scene, tmp_path: Path) -> None:
    """Also one that was to be brought up to date once it had all rows."""
    (tmp_path / "more/photos").mkdir(parents=True)
    for n in range(FILES):
        (tmp_path / f"more/photos/{n}.png").write_bytes(RUBBISH)
    options = options_of(tmp_path / "more", b"photos", max_failures=ErrorBudget(0))
    with closing(Job(options)) as job:
        start(job, options)
    events, settings = Events(), Settings(redis_url=scene.server.url, batch_images=1)
    events.subscribe(scene.work, Stored)
    asked = msgspec.structs.replace(options, update=True)
    summary = classify(asked, settings, events=events)
    assert summary.exit_code is Exit.BUDGET
    assert Path(summary.part).read_bytes().count(b"unsupported") == 1
    assert not Path(options.output).exists()
    assert scene.offered == []


@pytest.mark.parametrize("limit", [0, 1, FILES])
def test_a_complete_job_with_too_many_failures_ends_as_one_that_was_stopped(
    scene: Scene, limit: int
) -> None:
    for n in range(2):
        Path(scene.job.output.parent, f"photos/{n}.png").write_bytes(RUBBISH)
    scene.budget = ErrorBudget(limit)
    assert scene.run(scene.work) is (Exit.BUDGET if limit < 2 else Exit.SOME_FAILED)


def test_images_that_the_server_has_no_room_for_are_sent_again_once_it_has(
    scene: Scene,
) -> None:
    """Those of a batch that it has lost; there is no other one."""
    photos = scene.job.output.parent / "photos"
    (photos / "0.png").write_bytes(bytes(8 * MIB))
    for n in range(1, FILES):
        (photos / f"{n}.png").unlink()
    scene.freeze()
    used = scene.server.client.info("memory")["used_memory"]
    scene.server.limit_memory(used + 4 * MIB)

    def act(event: Event) -> None:
        if isinstance(event, Notice) and "waiting until there is room" in event.text:
            scene.server.limit_memory(0)
        scene.work()

    assert scene.run(act) is Exit.OK
    assert scene.notices[0] == "Redis' memory is full; waiting until there is room"


def test_a_full_server_is_named_and_gets_no_more_images_until_there_is_room(
    scene: Scene,
) -> None:
    scene.server.client.set("other", bytes(32 * MIB))
    used = scene.server.client.info("memory")["used_memory"]
    scene.server.limit_memory(int(used / 0.85))

    def act(event: Event) -> None:
        if isinstance(event, Notice) and "waiting for workers to make room" in event.text:
            assert scene.offered == []
            scene.server.limit_memory(0)
        scene.work()

    assert scene.run(act) is Exit.OK
    assert scene.notices[0].startswith("Redis' memory is over ")


@pytest.mark.parametrize("part", ["record", "results"])
def test_a_key_of_another_type_ends_the_job_with_its_name(scene: Scene, part: str) -> None:
    """It is noticed by who connects, or later."""
    scene.server.client.set(keys.job(ID, part), "mine")
    connector = Connector(scene.attempt(lambda event: None), scene.job)
    run = connector.queue if part == "record" else lambda: scene.run(lambda event: None)
    with pytest.raises(BrokerRefuses, match="in Redis is not Hangtag's; delete it"):
        run()


def test_a_journal_that_is_removed_ends_its_job(scene: Scene) -> None:
    path = journal_path(scene.job.output)
    with pytest.raises(SetupError, match="was removed while the job ran"):
        scene.run(lambda event: path.unlink(missing_ok=True))


def test_a_model_that_crashes_each_process_that_loads_it_ends_the_job(scene: Scene) -> None:
    scene.beat()

    def act(event: Event) -> None:
        for n in scene.offered:
            if scene.ledger.claim(n, OWNER).payload:
                assert scene.ledger.mark_image(n, OWNER, LOADING)
                assert scene.ledger.report_death(n, OWNER)

    with pytest.raises(SetupError, match="worker processes crash while loading"):
        scene.run(act)


def test_an_image_that_is_sent_again_after_its_worker_could_not_open_it_has_its_digest(
    server: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/0.png").write_bytes(b"image")
    with closing(Job(options_of(tmp_path, b"photos", transport="path"))) as job:
        start(job, job.options)
        scene = Scene(server, job)

        def act(event: Event) -> None:
            for n in scene.offered:
                (image,) = decode_payload(scene.ledger.claim(n, OWNER).payload)
                if isinstance(image, Reference):
                    assert scene.ledger.release(n, OWNER, "cannot see it", damaged=True)
                else:
                    result = encode_result(answered([image]))
                    assert scene.ledger.complete(n, OWNER, result)

        with closing(scene.queue):
            assert scene.run(act) is Exit.OK
        digests = job.journal.batch(0).digests
        assert len(digests) == DIGEST_BYTES
        assert digests != NO_DIGEST
