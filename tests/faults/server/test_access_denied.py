"""A server that denies access ends a command or a worker with one line; an outage is retried.

Passwords and permissions are here, TLS is in test_access_denied_tls.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import keys
from shared.errors import Exit
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.claims import catch
from tests.support.processes import procfs
from tests.support.processes.fleet import SHORT_TIMES, Fleet, wait_for
from tests.support.servers.access_denied import APPS, PARTS, Scene
from tests.support.servers.secured_servers import GuardedServer, Users

SECRET = "p/ss@w:rd%23"


@pytest.fixture(scope="module")
def guarded(
    tmp_path_factory: pytest.TempPathFactory, server_binary: Path
) -> Iterator[GuardedServer]:
    server = GuardedServer(server_binary, Users(tmp_path_factory.mktemp("users")))
    with server:
        yield server


@pytest.fixture
def strict(guarded: GuardedServer, images: Gallery, tmp_path: Path) -> Iterator[Scene]:
    guarded.client.delete(keys.STORE)  # the trainers of a broker share a store, each test has one
    with Fleet(guarded, **SHORT_TIMES) as fleet:
        yield Scene(fleet, images, tmp_path)


@pytest.mark.parametrize("part", PARTS)
def test_a_wrong_password_ends_the_process(strict: Scene, tmp_path: Path, part: str) -> None:
    (tmp_path / "password").write_text(SECRET + "\n")
    strict.check_refused(
        part, "wrong user or password; check", SECRET, HANGTAG_REDIS_USER="hangtag-worker",
        HANGTAG_REDIS_PASSWORD_FILE=str(tmp_path / "password"),
    )  # fmt: skip


@pytest.mark.parametrize("part", [*APPS, "classify"])
def test_a_missing_password_ends_the_process(strict: Scene, part: str) -> None:
    strict.check_refused(part, "it requires a password; check")


@pytest.mark.parametrize(
    ("part", "user"),
    [("worker", "producer"), ("worker", "trainer"), ("trainer", "producer"), ("trainer", "worker"),
     ("classify", "worker"), ("classify", "trainer"), ("train", "worker")],
)  # fmt: skip
def test_the_user_of_another_role_ends_the_process(
    strict: Scene, guarded: GuardedServer, part: str, user: str
) -> None:
    settings = guarded.users.settings(user)
    why = "this user may not run .*; give each part its user of deploy/redis/users.acl"
    strict.check_refused(part, why, guarded.users.password(user), **settings)


@pytest.mark.parametrize("part", APPS)
@pytest.mark.parametrize("command", ["brpop", "zadd", "llen"])
def test_a_revoked_permission_ends_a_worker(
    strict: Scene, guarded: GuardedServer, part: str, command: str
) -> None:
    name = f"{part}-without-{command}"
    commands = ["+@all", f"-{command}"]
    guarded.client.acl_setuser(name, enabled=True, passwords=["+x"], keys=["*"], commands=["+@all"])
    (strict.folder / "password").write_text("x")
    settings = {"HANGTAG_REDIS_USER": name}
    settings |= {"HANGTAG_REDIS_PASSWORD_FILE": str(strict.folder / "password")}
    settings |= {"HANGTAG_REFUSED_S": "1"}
    worker = strict.fleet.worker(1, APPS[part], ready=True, **settings)
    # A connection that is made later declares no queue.
    clients = guarded.client.client_list
    wait_for("its poll", lambda: "brpop" in [client["cmd"] for client in clients()])
    guarded.client.acl_setuser(name, enabled=True, passwords=["+x"], keys=["*"], commands=commands)
    guarded.client.client_kill_filter(_type="normal", skipme=True)
    assert worker.wait(30) == Exit.SETUP, worker.story
    assert worker.log.count("Redis refuses: this user may not run") == 1, worker.story


@pytest.mark.parametrize("part", APPS)
def test_a_changed_password_ends_a_worker_after_the_limit(
    strict: Scene, guarded: GuardedServer, tmp_path: Path, part: str
) -> None:
    password = tmp_path / "password"
    password.write_text(guarded.users.password(part))
    process = strict.start(
        part, HANGTAG_REDIS_USER=f"hangtag-{part}", HANGTAG_REDIS_PASSWORD_FILE=str(password),
        HANGTAG_REFUSED_S="2",
    )  # fmt: skip
    wait_for("its heartbeat", lambda: guarded.client.keys("hangtag:3:worker:*"))
    password.write_text(SECRET)
    guarded.client.client_kill_filter(_type="normal", skipme=True)
    assert process.wait(30) == Exit.SETUP, process.story
    assert process.log.count("wrong user or password; check") == 1
    assert SECRET not in process.log


def test_workers_survive_a_rotation_that_reaches_the_server_first(
    strict: Scene, guarded: GuardedServer, tmp_path: Path
) -> None:
    """The job continues with the same processes once the new password is in their file."""
    name, password = "rotated", tmp_path / "password"
    password.write_text("old")
    rights: dict[str, Any] = {
        "enabled": True,
        "keys": ["*"],
        "channels": ["*"],
        "commands": ["+@all"],
    }
    guarded.client.acl_setuser(name, passwords=["+old"], **rights)
    user = {"HANGTAG_REDIS_USER": name, "HANGTAG_REDIS_PASSWORD_FILE": str(password)}
    worker = strict.fleet.worker(2, APPS["worker"], ready=True, **user)
    children = worker.children
    output = str(strict.folder / "out.csv")
    job = strict.fleet.producer(
        "classify", FOLDER, "-o", output, cwd=strict.pictures.cwd,
        **guarded.users.settings("producer"),
    )  # fmt: skip
    held = catch(guarded.client, children)
    guarded.client.acl_setuser(name, passwords=["+new"], reset_passwords=True, **rights)
    guarded.client.client_kill_filter(_type="normal", skipme=True)
    procfs.go_on(held.child)
    worker.wait_for_log("it retries for")
    worker.wait_for_log(" waits: Redis refuses")
    password.write_text("new")
    assert job.wait() == Exit.OK, job.story
    assert Path(output).read_bytes() == strict.pictures.table
    assert worker.running, worker.story
    assert worker.children == children
    assert worker.end() == 0, worker.story
