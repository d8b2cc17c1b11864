"""Flower can read workers if events are on, and control none; without events it gets nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from shared import keys
from shared.broker.celery_app import make_app
from shared.broker.message_filter import CLASSIFY_TASK
from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs import hostile_messages
from tests.support.processes import in_process
from tests.support.processes.fleet import (
    BATCH_IMAGES,
    PRODUCT_APP,
    SHORT_TIMES,
    Fleet,
    Launch,
    Worker,
    as_celery,
    as_product,
    wait_for,
)
from tests.support.servers.flower import Flower
from tests.support.servers.leftover_keys import check_none
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.secured_servers import GuardedServer, Users

LINES = 30  # a minute
IMAGES = 160
EVENTS = {"HANGTAG_CELERY_EVENTS": "1"}
CHANNEL = "hangtag:0.celery.pidbox"
STEERING = ("pool_grow", "pool_shrink", "add_consumer", "cancel_consumer", "shutdown")
#: More than a server buffers for a subscriber: it closes the connection.
FLOOD_BYTES = 40 << 20
LINE_CHARS = 600
LIFE = {"", "worker.online", "worker.heartbeat", "worker.offline"}
DROPPED = "a command or an event was dropped: "


def with_events(app: str, concurrency: int) -> list[str]:
    return as_product(app, concurrency, "--events")


#: A hint that waits for a loading model is not sent again: its duplicate would be one more task.
TIMES = SHORT_TIMES | {"HANGTAG_ORPHAN_S": "60"}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


@pytest.fixture
def fleet(server: RedisServer) -> Iterator[Fleet]:
    with Fleet(server, **TIMES) as running:
        yield running


@pytest.fixture
def guarded(tmp_path: Path, server_binary: Path) -> Iterator[GuardedServer]:
    """A server with the shipped users."""
    running = GuardedServer(server_binary, Users(tmp_path / "users"))
    with running:
        yield running


def watched(fleet: Fleet, **settings: str) -> Worker:
    return fleet.launched(with_events, 2, PRODUCT_APP, True, **EVENTS, **settings)


@contextmanager
def published(client: redis.Redis) -> Iterator[list[str]]:
    """The channels of all messages published in the block, filled in at its end."""
    found: list[str] = []
    with client.pubsub() as subscription:  # type: ignore[no-untyped-call]
        subscription.psubscribe("*")
        subscription.get_message(timeout=5)
        yield found
        while (message := subscription.get_message(timeout=0.2)) is not None:
            found.append(message["channel"].decode())


def subscribers(client: redis.Redis) -> set[str]:
    """The connections that subscribe to channels."""
    return {one["id"] for one in client.client_list() if int(one["sub"]) + int(one["psub"])}


def check_displayed(flower: Flower, worker: Worker, batches: int) -> None:
    """Check that Flower displays the worker with its pool, and each batch as a succeeded task."""

    def succeeded() -> dict[str, Any] | None:
        tasks: dict[str, Any] = flower.get("/api/tasks?state=SUCCESS")
        return tasks if len(tasks) == batches else None

    tasks = wait_for(f"{batches} tasks", succeeded, poll_s=0.2)
    assert {task["name"] for task in tasks.values()} == {CLASSIFY_TASK}
    assert all(task["runtime"] > 0 for task in tasks.values())

    def counted() -> dict[str, Any] | None:
        """The worker, once its parent has counted the last batch, which ends in a child."""
        (found,) = flower.get("/api/workers?refresh=1").values()
        return found if found.get("stats", {}).get("total") == {CLASSIFY_TASK: batches} else None

    displayed = wait_for("the worker's count", counted, poll_s=0.2)
    assert displayed["stats"]["pid"] == worker.pid
    assert sorted(displayed["stats"]["pool"]["processes"]) == sorted(worker.children)
    assert [one["name"] for one in displayed["active_queues"]] == [keys.CLASSIFY_QUEUE]


def check_not_controlled(flower: Flower, worker: Worker) -> None:
    """Check that the worker drops each of Flower's commands and stays as it is."""
    children = worker.children
    name = wait_for("it", lambda: next(iter(flower.get("/api/workers?refresh=1")), ""))
    for order in (
        f"/api/worker/pool/grow/{name}?n=3",
        f"/api/worker/pool/shrink/{name}?n=1",
        f"/api/worker/queue/add-consumer/{name}?queue=other",
        f"/api/worker/queue/cancel-consumer/{name}?queue={keys.CLASSIFY_QUEUE}",
        f"/api/worker/shutdown/{name}",
    ):
        flower.post(order)
    for one in STEERING:
        worker.wait_for_log(f"{DROPPED}'{one}'")
    assert worker.running
    assert worker.children == children
    (displayed,) = flower.get("/api/workers?refresh=1").values()
    assert displayed["stats"]["pool"]["max-concurrency"] == 2
    assert [one["name"] for one in displayed["active_queues"]] == [keys.CLASSIFY_QUEUE]


def test_flower_displays_workers_tasks_and_pools_and_controls_none_and_the_table_is_right(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    worker = watched(fleet)
    output = tmp_path / "out.csv"
    flower_settings = {"HANGTAG_REDIS_URL": fleet.server.url}
    with (
        published(fleet.client) as channels,
        Flower(tmp_path / "flower", flower_settings) as flower,
    ):
        job = in_process.run(fleet, "classify", FOLDER, "-o", str(output), cwd=images.cwd)
        assert job.code == Exit.OK, job.story
        check_displayed(flower, worker, -(-IMAGES // BATCH_IMAGES))
        assert output.read_bytes() == images.table
        assert all(key.startswith(keys.PREFIX.encode()) for key in fleet.client.scan_iter())
        check_not_controlled(flower, worker)
        flower.end()
    assert any("celeryev/task" in channel for channel in channels)
    assert all(channel.startswith("hangtag:0.") for channel in channels)
    assert worker.end() == 0, worker.story
    check_none(fleet.client)
    assert not list(fleet.client.scan_iter(keys.REMOTE + "*"))
    assert not subscribers(fleet.client)
    assert "Traceback" not in worker.log


def test_with_the_shipped_users_flower_displays_the_same_and_no_command_is_denied(
    guarded: GuardedServer, images: Gallery, tmp_path: Path
) -> None:
    with Fleet(guarded, **TIMES) as fleet:
        worker = watched(fleet, **guarded.users.settings("worker"))
        settings = {"HANGTAG_REDIS_URL": guarded.url, **guarded.users.settings("flower")}
        user = guarded.users.settings("producer")
        output = tmp_path / "out.csv"
        with Flower(tmp_path / "flower", settings) as flower:
            job = in_process.run(
                fleet, "classify", FOLDER, "-o", str(output), cwd=images.cwd, **user
            )
            assert job.code == Exit.OK, job.story
            check_displayed(flower, worker, -(-IMAGES // BATCH_IMAGES))
            flower.end()
        assert worker.end() == 0, worker.story
        assert guarded.denied() == []
        secret = guarded.users.password("worker")
        assert secret not in flower.log + worker.log


@pytest.mark.nightly
def test_a_trainer_is_displayed_with_the_shipped_users(
    guarded: GuardedServer, tmp_path: Path
) -> None:
    with Fleet(guarded, **TIMES) as fleet:
        user = guarded.users.settings("trainer")
        store = {"HANGTAG_STORE": str(tmp_path / "store")}
        trainer = fleet.launched(with_events, 1, "worker.trainer", True, **EVENTS, **store, **user)
        settings = {"HANGTAG_REDIS_URL": guarded.url, **guarded.users.settings("flower")}
        with Flower(tmp_path / "flower", settings) as flower:
            get_workers = partial(flower.get, "/api/workers?refresh=1")
            (displayed,) = wait_for("the trainer", get_workers, poll_s=0.2).values()
            assert displayed["stats"]["pid"] == trainer.pid
            assert [one["name"] for one in displayed["active_queues"]] == [keys.TRAIN_QUEUE]
            flower.end()
        assert trainer.end() == 0, trainer.story
        assert guarded.denied() == []


def hostile() -> dict[str, bytes]:
    revoke = {"task_id": "x", "terminate": True, "signal": "KILL"}
    return {
        **hostile_messages.no_messages(),
        "huge": hostile_messages.command(method="x" * 10_000_000),
        "pickle": hostile_messages.changed(
            hostile_messages.command(), "content-type", "application/x-python-serialize"
        ),
        "compressed": hostile_messages.command({"compression": "application/x-gzip"}),
        "regular expression": hostile_messages.command(pattern="(a+)+$", matcher="pcre"),
        "elsewhere": hostile_messages.command(
            reply_to={"exchange": "", "routing_key": keys.CLASSIFY_QUEUE}
        ),
        "shutdown": hostile_messages.command(method="shutdown"),
        "terminate": hostile_messages.command(method="revoke", arguments=revoke),
        "no string": hostile_messages.command(method=["ping"]),
    }


def dropped(worker: Worker, times: int) -> bool:
    return worker.log.count(DROPPED) >= times


@pytest.mark.parametrize("half", [0, 1])
def test_hostile_commands_are_dropped_with_one_line_each_and_the_worker_continues(
    fleet: Fleet, images: Gallery, tmp_path: Path, half: int
) -> None:
    worker = watched(fleet)
    children = worker.children
    before = wait_for("the worker's subscription", lambda: subscribers(fleet.client))
    messages = list(hostile().values())[half::2]
    assert len(messages) < LINES  # more than that would be counted, not logged
    for count, raw in enumerate(messages, start=1):
        assert fleet.client.publish(CHANNEL, raw) == 1
        wait_for("its line", partial(dropped, worker, count))
    lines = [line for line in worker.log.splitlines() if DROPPED in line]
    assert len(lines) == len(messages)
    assert max(map(len, lines)) < LINE_CHARS
    fleet.client.publish(CHANNEL, b"x" * FLOOD_BYTES)
    # The server closes a connection that is read too slowly; a fast worker drops the message.
    wait_for(
        "an end of the flood",
        lambda: dropped(worker, len(messages) + 1) or subscribers(fleet.client) - before,
    )
    wait_for("a subscription", lambda: subscribers(fleet.client))
    output = tmp_path / "out.csv"
    job = in_process.run(fleet, "classify", FOLDER, "-o", str(output), cwd=images.cwd)
    assert job.code == Exit.OK, job.story
    assert output.read_bytes() == images.table
    assert worker.children == children
    assert "Traceback" not in worker.log
    assert all(key.startswith(keys.PREFIX.encode()) for key in fleet.client.scan_iter())


def test_a_reply_whose_expiry_cannot_be_set_is_not_stored(server: RedisServer) -> None:
    """As if the worker ended between the two commands."""
    queue, app = keys.ANSWERS + "a", make_app(server.url, "worker", events=True)
    with app, app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        channel._put(queue, {})
        assert 0 < server.client.pttl(queue) <= 30_000
        server.client.delete(queue)
        server.client.execute_command("ACL", "SETUSER", "default", "-pexpire")  # type: ignore[no-untyped-call]
        try:
            with pytest.raises(redis.exceptions.RedisError):
                channel._put(queue, {})
        finally:
            server.client.execute_command("ACL", "SETUSER", "default", "+@all")  # type: ignore[no-untyped-call]
    assert not server.client.exists(queue)


@pytest.mark.parametrize("launch", [as_product, pytest.param(as_celery, marks=pytest.mark.nightly)])
def test_without_events_no_worker_subscribes_or_publishes(
    fleet: Fleet, images: Gallery, tmp_path: Path, launch: Launch
) -> None:
    worker = fleet.launched(launch)
    output = tmp_path / "out.csv"
    with published(fleet.client) as channels:
        job = in_process.run(fleet, "classify", FOLDER, "-o", str(output), cwd=images.cwd)
        assert job.code == Exit.OK, job.story
        assert len(subscribers(fleet.client)) == 1, "only the test's own subscription"
    # Celery's defaults publish heartbeats and look for other workers, without subscribers.
    assert {channel.partition("/")[2] for channel in channels} <= (
        LIFE if launch is as_celery else set()
    )
    assert worker.end() == 0, worker.story
    check_none(fleet.client)
