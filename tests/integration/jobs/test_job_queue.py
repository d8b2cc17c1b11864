"""The producer's side of a job in Redis, on a real server."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import msgspec
import pytest
from redis.exceptions import RedisError

from producer.job.totals import JobCounts
from producer.run.connect import check_pinned
from producer.run.job_queue import NO_BATCH, JobQueue, PublishedProgress
from producer.run.window import SendLimits, file_limit, measure
from shared import keys
from shared.broker.celery_app import make_app
from shared.broker.redis_client import connect
from shared.errors import BadMessage, ForeignKey, SetupError
from shared.ledger import heartbeats
from shared.ledger.batch_ledger import LOADING, BatchLedger, ClaimVerdict
from shared.ledger.heartbeats import Heartbeat
from shared.messages.batch import JobRecord, max_result_bytes
from shared.messages.model_card import card_sha256
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.runtimes import LITERT, ONNX
from shared.settings import Settings
from tests.support.servers.redis_server import RedisServer

MAX_FILE_BYTES = 64 << 20
MIB = 1 << 20
PAYLOAD = bytes(32 * MIB)
RECORD = JobRecord("abcdefgh", "name", 1, "0" * 64, "litert", 1, "out.csv", "host", 0.0)


@pytest.fixture
def queue(server: RedisServer) -> JobQueue:
    client = connect(server.url, "test")
    return JobQueue(client, make_app(server.url, "test"), RECORD, Settings())


@pytest.mark.parametrize("setting", ["maxmemory", "min-replicas-to-write"])
def test_a_payload_that_the_server_refuses_costs_no_memory_and_is_not_in_the_error(
    server: RedisServer, queue: JobQueue, setting: str
) -> None:
    """Otherwise each retry blocks the producer and takes ten times the payload's memory."""
    server.client.config_set(setting, MIB if setting == "maxmemory" else 1)
    tracemalloc.start()
    try:
        with pytest.raises(RedisError, match="HSET") as error:
            queue.offer([(0, PAYLOAD)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MIB
    assert len(str(error.value)) < 500


def test_keys_are_renewed_while_the_server_refuses_writes(
    server: RedisServer, queue: JobQueue
) -> None:
    queue.touch(PublishedProgress(JobCounts(1)))
    queue.offer([(0, b"images")])
    here = [keys.job(RECORD.id, part) for part in ("record", "payload")]
    for key in here:
        server.client.pexpire(key, 60_000)
    server.limit_memory(1)
    with pytest.raises(RedisError):
        queue.touch(PublishedProgress(JobCounts(1)))
    queue.renew()
    assert all(server.client.pttl(key) > 3_600_000 for key in here)


@pytest.mark.parametrize(
    ("maxmemory", "limit"),
    [(0, MAX_FILE_BYTES), (64 * MIB, 16 * MIB), (256 * MIB, MAX_FILE_BYTES)],
)
def test_files_up_to_the_limit_of_a_server_fit_into_it(
    server: RedisServer, queue: JobQueue, maxmemory: int, limit: int
) -> None:
    server.limit_memory(maxmemory)
    assert file_limit(queue.client) == limit
    queue.offer([(0, bytes(limit))])
    if maxmemory:
        with pytest.raises(RedisError):  # shows that the limit is not far too low
            queue.offer([(1, bytes(min(3 * limit, maxmemory)))])


def test_workers_of_0_2_0_are_named_while_there_is_no_other(server: RedisServer) -> None:
    at_ms = heartbeats.server_ms(server.client)
    beats = [
        Heartbeat(f"{name}:1:1", name, 1, queue, ["1:1", "2:1"], [], 0, 0.0, 0, at_ms, at_ms, {})
        for name, queue in (("old", "hangtag:classify"), ("new", "hangtag:3:classify"))
    ]
    server.client.set("hangtag:worker:old:1:1", msgspec.json.encode(beats[0]))
    server.client.zadd("hangtag:workers", {"old:1:1": at_ms / 1000})
    window = measure(server.client, LITERT)
    assert (window.children, window.workers, window.older) == (0, (), ("old:1",))
    heartbeats.beat(server.client, beats[1], 60)
    window = measure(server.client, LITERT)
    assert (window.children, window.workers, window.older) == (2, ("new:1:1",), ())


def test_a_job_counts_the_workers_that_have_its_runtime(server: RedisServer) -> None:
    at_ms = heartbeats.server_ms(server.client)
    for name, own in (("few", [LITERT.name]), ("all", [LITERT.name, ONNX.name])):
        beat = Heartbeat(
            f"{name}:1:1", name, 1, keys.CLASSIFY_QUEUE, ["1:1"], [], 0, 0.0, 0, at_ms, at_ms, {},
            runtimes=own,
        )  # fmt: skip
        heartbeats.beat(server.client, beat, 60)
    window = measure(server.client, ONNX)
    assert (window.workers, window.children, window.others) == (("all:1:1",), 1, 1)
    window = measure(server.client, LITERT)
    assert (window.workers, window.children, window.others) == (("all:1:1", "few:1:1"), 2, 0)


def test_idle_workers_get_the_first_batch_before_the_next_one_is_read() -> None:
    limits = SendLimits(LITERT)
    assert len(list(limits.of_turn(0))) == 1
    assert len(list(limits.of_turn(1))) == limits.window.batches - 1


def test_only_the_owner_of_a_batch_works_on_it_until_its_result_is_there(
    server: RedisServer, queue: JobQueue
) -> None:
    ledger, own, other = BatchLedger(server.client, RECORD.id, 60), "a:1:1/2:1", "b:1:1/2:1"
    assert ledger.claim(0, own).verdict is ClaimVerdict.UNKNOWN
    queue.touch(PublishedProgress(JobCounts(1)))
    queue.offer([(0, b"images")])
    assert ledger.claim(0, own).payload == b"images"
    for owner in (other, own):
        for is_held in (
            ledger.mark_image(0, owner, LOADING),
            ledger.loaded(0, owner),
            ledger.release(0, owner, "why"),
        ):
            assert is_held is (owner == own)
    assert ledger.claim(0, other).payload == b"images"
    queue.reopen(0)  # its result was read again, after a fault
    assert ledger.mark_image(0, other, LOADING)
    with pytest.raises(BadMessage, match="is too large for its job"):
        ledger.complete(0, other, bytes(max_result_bytes(1) + 1))
    assert ledger.complete(0, other, b"result")
    assert not ledger.complete(0, own, b"result")
    assert ledger.claim(0, own).verdict is ClaimVerdict.DONE
    queue.reopen(0)
    assert ledger.claim(0, own).verdict is ClaimVerdict.LOST
    server.client.delete(keys.job(RECORD.id, "owner"))
    server.client.set(keys.job(RECORD.id, "owner"), "mine")
    with pytest.raises(ForeignKey):
        ledger.claim(0, own)


def test_an_image_is_blamed_once_two_processes_have_died_with_it(
    server: RedisServer, queue: JobQueue
) -> None:
    ledger, own = BatchLedger(server.client, RECORD.id, 60), "a:1:1/2:1"
    queue.touch(PublishedProgress(JobCounts(1)))
    queue.offer([(0, b"images")])
    for deaths in range(4):
        claim = ledger.claim(0, own)
        assert claim.one_by_one is (deaths >= 2)
        assert claim.crashed_images == ({7} if deaths >= 2 else set())
        assert ledger.mark_image(0, own, 7)
        assert ledger.report_death(0, own)


@pytest.mark.parametrize(
    ("number", "batch"), [(b"7", 7), (b"9" * 11, NO_BATCH), (b"-1", NO_BATCH), (b"", NO_BATCH)]
)
def test_what_no_worker_has_written_is_the_result_of_no_batch(
    server: RedisServer, queue: JobQueue, number: bytes, batch: int
) -> None:
    server.client.xadd(keys.job(RECORD.id, "results"), {b"b": number, b"r": b"result"})
    assert [result.batch for result in queue.results(0)] == [batch]


def test_a_version_is_copied_to_this_machines_stack_alone_and_has_to_be_that_of_its_job(
    server: RedisServer, queue: JobQueue, tmp_path: Path
) -> None:
    unpublished = msgspec.structs.replace(packaged.card(), files={})
    card = Registry(tmp_path).publish(unpublished, {"model.tflite": b"1"})
    record = msgspec.structs.replace(
        RECORD, name=card.name, version=card.version, card_sha256=card_sha256(card)
    )
    elsewhere = Settings(redis_url=server.url, store=str(tmp_path))
    with pytest.raises(SetupError, match=f"there is no version {card.ref}"):
        check_pinned(queue.client, record, elsewhere)
    here = Settings(store=str(tmp_path))
    check_pinned(queue.client, record, here)
    other = msgspec.structs.replace(record, card_sha256="0" * 64)
    with pytest.raises(SetupError, match="is not the version that the table was classified with"):
        check_pinned(queue.client, other, here)
