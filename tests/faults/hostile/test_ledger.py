"""The content of a running job's keys is tampered with: faults are detected, repaired, and logged
once.

A client that writes a complete and valid record, result or blame into Redis is trusted; everything
else is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest
import redis

from shared import keys
from shared.ledger import heartbeats
from shared.messages.batch import BatchResult, encode_result
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.claims import Held
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import BATCH_IMAGES, Fleet, wait_for

KEPT_LABELS = 3
IMAGES = 960
BATCHES = range(IMAGES // BATCH_IMAGES + 1)
RUBBISH = b"\x80\x04rubbish\xff\n../../etc/passwd"
FAR_MS = 1 << 52
LARGE = b"x" * (10 << 20)
Tamper = Callable[[redis.Redis, Held], None]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


def _record(**changes: object) -> Tamper:
    def tamper(client: redis.Redis, held: Held) -> None:
        key = keys.job(held.job, "record")
        record = msgspec.json.decode(cast(bytes, client.hget(key, "record")))
        client.hset(key, "record", msgspec.json.encode({**record, **changes}))

    return tamper


def _fields(part: str, value: bytes) -> Tamper:
    """Set the field of each batch, including later batches."""

    def tamper(client: redis.Redis, held: Held) -> None:
        key = keys.job(held.job, part)
        client.hset(key, mapping=dict.fromkeys(map(str, BATCHES), value))

    return tamper


def _payload(value: bytes) -> Tamper:
    """Replace the images of every waiting batch."""

    def tamper(client: redis.Redis, held: Held) -> None:
        key = keys.job(held.job, "payload")
        waiting = client.hkeys(key)
        assert waiting
        client.hset(key, mapping=dict.fromkeys(waiting, value))

    return tamper


def _put_wrong(client: redis.Redis, key: str, kind: str) -> None:
    with client.pipeline(transaction=True) as pipe:  # otherwise the producer could write in between
        pipe.delete(key)
        if kind == "list":
            pipe.rpush(key, RUBBISH)
        else:
            pipe.set(key, RUBBISH)
        pipe.execute()


def _claims_of_the_future(client: redis.Redis, held: Held) -> None:
    """Claims of the live child, invalid only by their time."""
    owner = f"{held.owner}|{FAR_MS}".encode()
    _fields("owner", owner)(client, held)


def _done_bits(client: redis.Redis, held: Held) -> None:
    client.setrange(keys.job(held.job, "done"), 0, b"\xff" * 32)


def _results(client: redis.Redis, held: Held) -> None:
    """Add malformed entries, entries of no batch, entries with unknown labels, and with fewer."""
    stream = keys.job(held.job, "results")
    count, k = BATCH_IMAGES, KEPT_LABELS
    wrong = BatchResult(k, bytes(count), b"\xff\xff" * k * count, bytes(4 * k * count))
    fewer = BatchResult(k - 1, bytes(count), *(bytes(w * (k - 1) * count) for w in (2, 4)))
    entries: list[dict[bytes, bytes]] = [{b"x": RUBBISH}, {b"b": b"-1"}, {b"b": b"9" * 50}]
    for n in BATCHES:
        for data in (RUBBISH, LARGE[: 1 << 16], encode_result(wrong), encode_result(fewer)):
            entries.append({b"b": b"%d" % n, b"r": data})
    for entry in entries:
        client.xadd(stream, cast(Any, entry))


def _heartbeats(client: redis.Redis, held: Held) -> None:
    """Write heartbeats of no process, and of the worker itself until its next one."""
    parent = held.owner.split("/")[0]
    for name in (RUBBISH, b"\xff\xfe", b"unknown", b"", parent.encode()):
        client.zadd(keys.WORKERS, {name: 9e15})
    for content in (RUBBISH, b"[]", b'{"children":5,"at_ms":"x"}', b'{"children":[1],"at_ms":{}}'):
        client.set(keys.worker("unknown"), content)
        client.set(keys.worker(parent), content)
    _fields("owner", f"unknown/1:1|{heartbeats.server_ms(client)}".encode())(client, held)
    _put_wrong(client, keys.worker("unknown"), "list")
    client.pexpire(keys.worker("unknown"), 10_000)  # like every heartbeat


TAMPERS: dict[str, Tamper] = {
    "images are rubbish": _payload(RUBBISH),
    "images are of another count": _payload(b"\xff\xff\xff\x7f" + RUBBISH),
    "images are large": _payload(LARGE),
    "record is no JSON": lambda c, h: _set_record(c, h, RUBBISH),
    "record is large": lambda c, h: _set_record(c, h, b'{"' + LARGE + b'":1}'),
    "record is another job's": _record(id="zzzzzzzz"),
    "version is nowhere": _record(version=77, card_sha256="1" * 64),
    "model is a path": _record(name="../../etc/passwd"),
    "card is another": _record(card_sha256="0" * 64),
    "owners are rubbish": _fields("owner", RUBBISH),
    "owners are of the future": _claims_of_the_future,
    "deaths are rubbish": _fields("deaths", RUBBISH),
    "crashes are rubbish": _fields("crashed", RUBBISH),
    "everything is done": _done_bits,
    "results are rubbish": _results,
    "heartbeats are rubbish": _heartbeats,
}
GROUPS = [list(TAMPERS)[start : start + 5] for start in range(0, len(TAMPERS), 5)]


def _set_record(client: redis.Redis, held: Held, data: bytes) -> None:
    client.hset(keys.job(held.job, "record"), "record", data)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group[0])
def test_the_table_is_correct(stage: Scenario, group: list[str]) -> None:
    worker = stage.fleet.worker()
    children = worker.children
    producer = stage.classify()
    held = stage.catch(producer, worker)
    for name in group:
        worker.sleep()  # work must be left for the next tampering
        view = producer.view
        assert view is not None
        assert view.done < IMAGES, f"no work was left for {name!r}"
        started = time.monotonic()
        TAMPERS[name](stage.fleet.client, held)
        worker.wake()
        producer.wait_until_done(min(view.done + BATCH_IMAGES, IMAGES))
        print(f"{name}: continued after {time.monotonic() - started:.1f} s")
    stage.check_finished(producer)
    assert worker.children == children
    assert "Traceback" not in worker.log
    assert "Traceback" not in producer.log
    assert max(map(len, worker.log.splitlines())) < 1_000
    assert max(map(len, producer.log.splitlines())) < 1_000
    stage.check_nothing_runs(worker)


def test_the_same_fault_is_logged_once(stage: Scenario) -> None:
    """The hint is repeated many times."""
    worker = stage.fleet.worker(1)
    producer = stage.classify()
    held = stage.catch(producer, worker)
    # The batch that is held ends with the right record.
    wait_for("a batch after it", lambda: len(_waiting(stage.fleet, held)) > 1)
    producer.kill()  # otherwise it would repair the record
    _record(version=77, card_sha256="1" * 64)(stage.fleet.client, held)
    stage.let_go(held)
    hinted = [_repeat_hints(stage.fleet, held) for _ in range(5)]
    assert sum(hinted) >= 5
    wait_for("the line", lambda: "there is no version fashion-mnist@77" in worker.log)
    time.sleep(0.5)
    lines = [line for line in worker.log.splitlines() if "fashion-mnist@77" in line]
    assert len(lines) == len({line.partition("ERROR")[2] for line in lines})
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)


def _repeat_hints(fleet: Fleet, held: Held) -> int:
    from tests.support.jobs import hostile_messages

    waiting = _waiting(fleet, held)
    for batch in waiting:
        fleet.client.lpush(
            keys.CLASSIFY_QUEUE, hostile_messages.message(args=(held.job, int(batch)))
        )
    return len(waiting)


def _waiting(fleet: Fleet, held: Held) -> list[bytes]:
    return cast(list[bytes], fleet.client.hkeys(keys.job(held.job, "payload")))
