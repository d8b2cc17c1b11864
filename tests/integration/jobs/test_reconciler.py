"""The producer repeats lost hints, and the queue does not grow while there are no workers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared import keys
from shared.broker.celery_app import make_app
from shared.errors import Exit
from tests.integration.state_machines.batches.producer import Fuse, Producer
from tests.integration.state_machines.batches.world import RECORD, World
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer

TURNS = 20
MIB = 1 << 20


@pytest.fixture
def world(server: RedisServer) -> Iterator[World]:
    """A job of five images in three batches."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(server, make_app(server.url, "producer"), Path(folder))
        for i in range(5):
            world.files.write(b"pics/%d.png" % i, bytes([i]))
        yield world
        world.close()


@contextmanager
def producing(world: World) -> Iterator[Producer]:
    producer = Producer(world, Fuse())
    try:
        yield producer
    finally:
        producer.close()


def send_all(producer: Producer) -> None:
    """The first batch leaves alone, as soon as it is formed."""
    producer.turn(look=True)
    producer.turn(look=True)


def queued(world: World) -> list[int]:
    """The batches in the queue, which is left unchanged."""
    found = []
    for _ in range(world.client.llen(keys.CLASSIFY_QUEUE)):
        batch = world.take_hint()
        assert batch is not None
        found.append(batch)
    for batch in found:
        world.hint(batch)
    return sorted(found)


def test_a_queue_without_workers_does_not_grow(world: World) -> None:
    with producing(world) as producer:
        for _ in range(TURNS):
            producer.turn(look=True)
        assert queued(world) == [0, 1, 2]


def leave_room(world: World, size: int) -> None:
    """Delete the payloads, and have the server refuse those of this size and more. A thread of the
    server frees their memory, which it counts until then."""
    world.lose("payload")
    wait_for(
        "the memory of the payloads",
        lambda: world.client.info("memory")["lazyfree_pending_objects"] == 0,
    )
    used = world.client.info("memory")["used_memory"]
    world.client.config_set("maxmemory", used + size)


def test_a_batch_that_the_server_refuses_does_not_block_smaller_ones(world: World) -> None:
    world.files.write(b"pics/3.png", bytes(8 * MIB))  # alone in batch 2
    with producing(world) as producer:
        send_all(producer)
        leave_room(world, 5 * MIB)
        producer.run._poll_due = 0.0
        producer.run._try()
        assert set(world.client.hkeys(keys.job(RECORD.id, "payload"))) == {b"0", b"1", b"3"}
        world.model.payload.discard(2)  # the oracle knows no refusals
        world.client.config_set("maxmemory", 0)
        producer.turn(look=True)
        assert world.client.hlen(keys.job(RECORD.id, "payload")) == 4


def test_a_job_can_be_cancelled_while_the_server_refuses_its_batches(world: World) -> None:
    world.files.write(b"pics/1.png", bytes(8 * MIB))
    with producing(world) as producer:
        producer.turn(look=True)
        world.cancel()
        leave_room(world, 5 * MIB)
        assert producer.turn(look=True) is Exit.CANCELLED
