"""All parts work with the users of deploy/redis/users.acl, and none of them has other rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from shared import keys
from shared.errors import Exit
from shared.messages.replies import Trained
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.claims import catch
from tests.support.processes import in_process, procfs, trainers
from tests.support.processes.fleet import (
    PRODUCT_APP,
    SHORT_TIMES,
    Fleet,
    Worker,
)
from tests.support.processes.in_process import Done
from tests.support.servers.metrics_endpoint import Endpoint
from tests.support.servers.secured_servers import (
    ADMIN_PASSWORD,
    PARTS,
    SCRIPTED,
    GuardedServer,
    Users,
)

pytestmark = pytest.mark.trains
IMAGES = 400


class Guarded:
    """A fleet in which each part has its own user."""

    def __init__(self, fleet: Fleet, server: GuardedServer, cwd: Path, worker: Worker) -> None:
        self.fleet, self.server, self.cwd, self.worker = fleet, server, cwd, worker

    @property
    def children(self) -> list[int]:
        """The processes of the worker's pool."""
        return self.worker.children

    def hangtag(self, *arguments: str) -> Done:
        """Run a command with the producers' user."""
        user = self.server.users.settings("producer")
        done = in_process.run(self.fleet, *arguments, cwd=self.cwd, **user)
        assert done.code == Exit.OK, done.story
        return done


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """A few images, and a folder for training."""
    made = gallery.make(tmp_path_factory.mktemp("small"), IMAGES)
    trainers.draw_classes(made.cwd / "photos")
    return made


@pytest.fixture(scope="module")
def server(
    server_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GuardedServer]:
    users = Users(tmp_path_factory.mktemp("users"))
    running = GuardedServer(server_binary, users)
    with running:
        yield running


@pytest.fixture(scope="module")
def guarded(server: GuardedServer, small: Gallery, tmp_path_factory: pytest.TempPathFactory) -> Any:
    store = tmp_path_factory.mktemp("store")
    times = {**SHORT_TIMES, **trainers.TIMES}
    with Fleet(server, HANGTAG_STORE=str(store), **times) as fleet:
        worker = fleet.worker(2, ready=True, app=PRODUCT_APP, **server.users.settings("worker"))
        trainer = fleet.worker(1, "worker.trainer", ready=False, **server.users.settings("trainer"))
        fleet.wait_ready(trainer)
        yield Guarded(fleet, server, small.cwd, worker)
        assert worker.end() == 0, worker.story
        assert trainer.end() == 0, trainer.story
        # The server has denied no command of any part, also in threads and in Lua.
        assert server.denied() == []


@pytest.fixture(autouse=True)
def no_command_is_denied(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check after each test of the whole system that the server denied no command."""
    yield
    if "guarded" in request.fixturenames:
        assert request.getfixturevalue("server").denied() == []


def test_a_job_is_classified_and_monitored(
    guarded: Guarded, small: Gallery, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    job = guarded.hangtag("classify", "--detach", FOLDER, "-o", str(output)).out.split()[0]
    assert job in guarded.hangtag("status").out
    guarded.hangtag("collect", job)
    assert output.read_bytes() == small.table
    assert guarded.hangtag("workers").out.count("\n") == 1 + 2
    assert "label" in guarded.hangtag("predict", small.paths[0], "--json").out


@pytest.mark.parametrize("part", ["monitor", "producer"])
def test_the_fleet_is_monitored(guarded: Guarded, part: str) -> None:
    user = guarded.server.users.settings(part)
    endpoint = Endpoint(guarded.fleet, **user)
    scrape = endpoint.scrape()
    assert scrape["hangtag_redis_up"] == 1
    assert scrape.by("hangtag_workers") == {"classify": 1, "train": 1}
    command = in_process.run(guarded.fleet, "workers", cwd=guarded.cwd, **user)
    assert command.code == Exit.OK, command.story


def test_a_job_is_cancelled_and_resumed(guarded: Guarded, small: Gallery, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    user = guarded.server.users.settings("producer")
    command = ("classify", FOLDER, "-o", str(output))
    running = guarded.fleet.producer(*command, cwd=small.cwd, **user)
    view = running.wait_until_done(1)
    held = catch(guarded.fleet.client, guarded.children, view.job)  # the job cannot finish
    guarded.hangtag("cancel", view.job)
    assert running.wait() == Exit.CANCELLED, running.story
    procfs.go_on(held.child)  # earlier, its result could be the job's last, and end it
    guarded.hangtag(*command)
    assert output.read_bytes() == small.table


def test_a_model_is_trained_used_moved_and_pruned(
    guarded: Guarded, small: Gallery, tmp_path: Path
) -> None:
    trained = guarded.hangtag(
        "train", "--data", str(small.cwd / "photos"), "--name", "shapes", "--recipe", "tutorial",
        "--epochs", "1", "--json", "--promote", "always",
    )  # fmt: skip
    assert msgspec.json.decode(trained.out, type=Trained).model == "shapes@1"
    output = tmp_path / "shapes.csv"
    guarded.hangtag("classify", "photos/bag", "-o", str(output), "--model", "shapes")
    assert output.read_text().count(",shapes@1") == trainers.IMAGES_PER_CLASS
    assert "shapes" in guarded.hangtag("models", "list").out
    assert "shapes@1" in guarded.hangtag("models", "show", "shapes@1").out
    guarded.hangtag("models", "promote", "fashion-mnist@0")
    guarded.hangtag("models", "prune", "shapes", "--yes")
    assert guarded.hangtag("train", "--list").out


JOB, REQUEST, QUEUE, TRAIN = (
    keys.job("abcdefgh", "record"),
    keys.request("r", "state"),
    keys.CLASSIFY_QUEUE,
    keys.TRAIN_QUEUE,
)
MODEL, BLOB, BEAT = keys.model_card("m", 1), keys.blob("0" * 64), keys.worker("w")
#: Denied to all parts.
NEVER: list[tuple[str, ...]] = [
    ("FLUSHALL",), ("FLUSHDB",), ("CONFIG", "GET", "*"), ("KEYS", "*"), ("SCRIPT", "FLUSH"),
    ("SCRIPT", "KILL"), ("FUNCTION", "LOAD", "x"), ("MODULE", "LIST"), ("EVAL", "return 1", "0"),
    ("SHUTDOWN",), ("ACL", "LIST"), ("CLIENT", "LIST"),
    ("CLIENT", "KILL", "ID", "1"), ("MONITOR",), ("SAVE",), ("REPLICAOF", "NO", "ONE"),
    ("RENAME", JOB, "x"), ("SWAPDB", "0", "1"), ("SUBSCRIBE", "x"), ("PUBLISH", "x", "y"),
    ("GET", "foreign"), ("SET", "foreign", "1"), ("DEL", "foreign"),
    ("RANDOMKEY",), ("MIGRATE", "h", "1", "k", "0", "1"), ("RESTORE", JOB, "0", "x"),
]  # fmt: skip
#: Readers of a queue may also delete it, which frees memory for new hints.
DENIED: dict[str, list[tuple[str, ...]]] = {
    "producer": [
        ("SET", BEAT, "1"), ("DEL", BEAT), ("ZADD", keys.WORKERS, "1", "w"), ("SET", MODEL, "1"),
        ("DEL", MODEL), ("SET", BLOB, "1"), ("SET", keys.model_history("m"), "1"),
        ("BRPOP", QUEUE, "1"), ("RPOP", QUEUE),
        ("BRPOP", TRAIN, "1"), ("XADD", keys.job("abcdefgh", "results"), "*", "b", "0"),
        ("TYPE", QUEUE), ("DEL", QUEUE), ("DEL", TRAIN),
    ],
    "worker": [
        ("DEL", JOB), ("DEL", keys.job("a", "payload")),
        ("PEXPIRE", JOB, "1"), ("HDEL", JOB, "record"), ("HSET", JOB, "state", "cancelled"),
        ("PEXPIRE", keys.job("a", "payload"), "1"), ("HSET", keys.job("a", "payload"), "0", "x"),
        ("XDEL", keys.job("a", "results"), "1-1"),
        ("HDEL", keys.job("a", "trouble"), "why"), ("HSET", keys.job("a", "done"), "0", "1"),
        ("ZADD", keys.JOBS, "1", "a"), ("ZREM", keys.JOBS, "a"), ("SET", MODEL, "1"),
        ("DEL", MODEL), ("SET", BLOB, "1"), ("SET", keys.model_history("m"), "1"),
        ("HSET", REQUEST, "status", "open"), ("HGETALL", REQUEST),
        ("ZADD", keys.REQUESTS, "1", "r"), ("LPUSH", TRAIN, "x"), ("BRPOP", TRAIN, "1"),
        ("LRANGE", QUEUE, "0", "-1"), ("DEL", TRAIN),
    ],
    "trainer": [
        ("HSET", JOB, "state", "cancelled"), ("DEL", JOB), ("HGETALL", JOB),
        ("HGET", keys.job("a", "payload"), "0"), ("ZADD", keys.JOBS, "1", "a"),
        ("LPUSH", QUEUE, "x"), ("BRPOP", QUEUE, "1"), ("DEL", QUEUE),
        ("SCRIPT", "LOAD", "return 1"),
    ],
    "monitor": [
        ("HSET", JOB, "state", "cancelled"), ("DEL", JOB), ("ZREM", keys.JOBS, "a"),
        ("HGET", keys.job("a", "payload"), "0"), ("HGETALL", keys.job("a", "payload")),
        ("XREAD", "STREAMS", keys.job("a", "results"), "0"), ("SET", BEAT, "1"), ("GET", BLOB),
        ("GET", MODEL), ("HGETALL", keys.request("r", "input")), ("LPUSH", QUEUE, "x"),
        ("LRANGE", QUEUE, "0", "-1"), ("HSET", REQUEST, "status", "done"),
        ("SCRIPT", "LOAD", "return 1"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("part", "command"),
    [(part, command) for part in PARTS for command in [*NEVER, *DENIED[part]]],
    ids=lambda value: value if isinstance(value, str) else " ".join(value)[:40],
)
def test_a_part_is_denied_foreign_commands_and_keys(
    server: GuardedServer, part: str, command: tuple[str, ...]
) -> None:
    with server.of(part) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)
    server.client.acl_log_reset()


@pytest.mark.parametrize("part", SCRIPTED)
def test_a_script_has_no_more_rights_than_its_caller(server: GuardedServer, part: str) -> None:
    with server.of(part) as client:
        sha = client.script_load("return redis.call('SET', 'foreign', '1')")
        with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)permission|ACL|can't run"):
            client.evalsha(sha, 0)
    assert not server.client.exists("foreign")
    server.client.acl_log_reset()


def test_without_a_valid_user_no_client_is_admitted(server: GuardedServer) -> None:
    for client in (server.user("", ""), server.user("hangtag-worker", "wrong")):
        with client, pytest.raises(redis.exceptions.AuthenticationError):
            client.ping()
    server.client.acl_log_reset()


def test_the_administrator_is_off_until_it_has_a_password(server: GuardedServer) -> None:
    for password in ("", "0" * 64, ADMIN_PASSWORD):
        with (
            server.user("hangtag-admin", password) as client,
            pytest.raises(redis.exceptions.AuthenticationError),
        ):
            client.ping()
    server.client.acl_log_reset()


@pytest.mark.parametrize(
    "command",
    [("FLUSHALL",), ("FLUSHDB",), ("CONFIG", "SET", "dir", "/tmp"), ("EVAL", "return 1", "0"),
     ("MODULE", "LIST"), ("REPLICAOF", "NO", "ONE"), ("SWAPDB", "0", "1"), ("SAVE",),
     ("ACL", "SETUSER", "x"), ("GET", "foreign"), ("SET", "foreign", "1"), ("MONITOR",)],
    ids=" ".join,
)  # fmt: skip
def test_the_administrator_cannot_reconfigure_or_empty_the_server(
    administered: redis.Redis, command: tuple[str, ...]
) -> None:
    with pytest.raises(redis.exceptions.NoPermissionError):
        administered.execute_command(*command)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def administered(
    server_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[redis.Redis]:
    users = Users(tmp_path_factory.mktemp("users"), administered=True)
    server = GuardedServer(server_binary, users)
    with server, server.user("hangtag-admin", ADMIN_PASSWORD) as client:
        yield client
