"""A server that will never let us in ends a command or a worker with one line; one that is away is
waited for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from shared.exits import Exit
from tests.fleet import SHORT_TIMES, Fleet, Process, wait_for
from tests.gallery import FOLDER, Gallery
from tests.guarded import GuardedServer, Users, certificate, tls_server
from tests.server import RedisServer, server_binaries

SECRET = "p/ss@w:rd%23"
APPS = {"worker": "worker.app", "trainer": "worker.trainer"}
COMMANDS: dict[str, tuple[str, ...]] = {
    "classify": ("classify", FOLDER, "-o", "OUT"),
    "status": ("status",),
    "workers": ("workers",),
    "metrics": ("metrics", "--port", "0"),
    "predict": ("predict", "IMAGE"),
    "train": ("train", "--recipe", "tutorial"),
    "models list": ("models", "list"),
    "hangtag worker": ("worker",),
    "hangtag worker train": ("worker", "--queue", "train"),
}
PARTS = [*APPS, *COMMANDS]


class Scene:
    """Starts any part of Hangtag for a broker."""

    def __init__(self, fleet: Fleet, pictures: Gallery, folder: Path) -> None:
        self.fleet, self.pictures, self.folder = fleet, pictures, folder

    def start(self, part: str, **settings: str) -> Process:
        """A worker, a trainer, or a command."""
        if part in APPS:
            return self.fleet.worker(1, APPS[part], ready=False, **settings)
        names = {"OUT": str(self.folder / "out.csv"), "IMAGE": self.pictures.paths[0]}
        words = [names.get(word, word) for word in COMMANDS[part]]
        return self.fleet.producer(*words, cwd=self.pictures.cwd, **settings)

    def check_refused(self, part: str, why: str, *secrets: str, **settings: str) -> None:
        """It ends by itself with code 1 and one line of reason, and tells no secret."""
        process = self.start(part, **settings)
        assert process.wait(30) == Exit.SETUP, process.story
        said = [line for line in process.log.splitlines() if re.search(why, line)]
        assert len(said) == 1, process.story
        assert said[0].startswith("hangtag: "), said
        assert "Traceback" not in process.log
        for secret in secrets:
            assert secret not in process.log + process.out


@pytest.fixture
def scene(fleet: Fleet, pictures: Gallery, tmp_path: Path) -> Scene:
    return Scene(fleet, pictures, tmp_path)


@pytest.fixture(scope="module")
def redis_binary() -> Path:
    """Debian's Redis: the embedded server is built without TLS."""
    found = [binary for binary in server_binaries() if binary.name == "redis-server"]
    if not found:
        pytest.skip("there is no redis-server on this machine")
    return found[0]


# Passwords and rights.


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedServer]:
    server = GuardedServer(server_binaries()[0], Users(tmp_path_factory.mktemp("users")))
    with server:
        yield server


@pytest.fixture
def strict(guarded: GuardedServer, pictures: Gallery, tmp_path: Path) -> Iterator[Scene]:
    with Fleet(guarded, **SHORT_TIMES) as fleet:
        yield Scene(fleet, pictures, tmp_path)


@pytest.mark.parametrize("part", PARTS)
def test_a_wrong_password_ends_it(strict: Scene, tmp_path: Path, part: str) -> None:
    (tmp_path / "password").write_text(SECRET + "\n")
    strict.check_refused(
        part, "wrong user or password; check", SECRET, HANGTAG_REDIS_USER="hangtag-worker",
        HANGTAG_REDIS_PASSWORD_FILE=str(tmp_path / "password"),
    )  # fmt: skip


@pytest.mark.parametrize("part", ["hangtag worker", "hangtag worker train"])
def test_a_worker_finds_a_file_where_its_command_was_typed(
    strict: Scene, pictures: Gallery, part: str
) -> None:
    (pictures.cwd / "password").write_text(SECRET)
    strict.check_refused(part, "wrong user or password", HANGTAG_REDIS_PASSWORD_FILE="password")


@pytest.mark.parametrize("part", [*APPS, "classify"])
def test_no_password_where_one_is_wanted_ends_it(strict: Scene, part: str) -> None:
    strict.check_refused(part, "it wants a password; check")


@pytest.mark.parametrize(
    ("part", "user"),
    [("worker", "producer"), ("worker", "trainer"), ("trainer", "producer"), ("trainer", "worker"),
     ("classify", "worker"), ("classify", "trainer"), ("train", "worker")],
)  # fmt: skip
def test_another_parts_user_ends_it(
    strict: Scene, guarded: GuardedServer, part: str, user: str
) -> None:
    settings = guarded.users.settings(user)
    why = "this user may not do .*; give each part its user of deploy/redis/users.acl"
    strict.check_refused(part, why, guarded.users.password(user), **settings)


@pytest.mark.parametrize("part", APPS)
@pytest.mark.parametrize("command", ["brpop", "zadd", "sadd"])
def test_a_right_that_is_taken_away_ends_a_worker(
    strict: Scene, guarded: GuardedServer, part: str, command: str
) -> None:
    name = f"{part}-without-{command}"
    commands = ["+@all", f"-{command}"]
    guarded.client.acl_setuser(name, enabled=True, passwords=["+x"], keys=["*"], commands=["+@all"])
    (strict.folder / "password").write_text("x")
    settings = {"HANGTAG_REDIS_USER": name}
    settings |= {"HANGTAG_REDIS_PASSWORD_FILE": str(strict.folder / "password")}
    worker = strict.fleet.worker(1, APPS[part], ready=True, **settings)
    guarded.client.acl_setuser(name, enabled=True, passwords=["+x"], keys=["*"], commands=commands)
    guarded.client.client_kill_filter(_type="normal", skipme=True)
    assert worker.wait(30) == Exit.SETUP, worker.story
    assert worker.log.count("Redis refuses: this user may not do") == 1, worker.story


@pytest.mark.parametrize("part", APPS)
def test_a_password_that_changes_ends_a_worker_when_it_has_to_come_in_again(
    strict: Scene, guarded: GuardedServer, tmp_path: Path, part: str
) -> None:
    password = tmp_path / "password"
    password.write_text(guarded.users.password(part))
    process = strict.start(
        part, HANGTAG_REDIS_USER=f"hangtag-{part}", HANGTAG_REDIS_PASSWORD_FILE=str(password)
    )
    wait_for("its heartbeat", lambda: guarded.client.keys("hangtag:worker:*"))
    password.write_text(SECRET)
    guarded.client.client_kill_filter(_type="normal", skipme=True)
    assert process.wait(30) == Exit.SETUP, process.story
    assert process.log.count("wrong user or password; check") == 1
    assert SECRET not in process.log


def test_a_password_file_is_read_anew_so_that_a_change_needs_no_restart(
    strict: Scene, guarded: GuardedServer, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text(guarded.users.password("worker"))
    settings = {"HANGTAG_REDIS_USER": "hangtag-worker"}
    settings |= {"HANGTAG_REDIS_PASSWORD_FILE": str(password)}
    worker = strict.fleet.worker(1, APPS["worker"], ready=True, **settings)
    guarded.client.acl_setuser(
        "hangtag-worker", enabled=True, passwords=["+new"], reset_passwords=True
    )
    password.write_text("new\n")
    guarded.client.client_kill_filter(_type="normal", skipme=True)
    (key,) = [k for k in guarded.client.keys("hangtag:worker:*") if f":{worker.pid}:".encode() in k]
    guarded.client.delete(key)
    wait_for("its next heartbeat", lambda: guarded.client.exists(key))
    assert worker.running, worker.story


@pytest.mark.parametrize("part", APPS)
def test_a_server_that_is_away_is_waited_for(scene: Scene, part: str) -> None:
    scene.fleet.server.kill()
    worker = scene.start(part)
    worker.wait_for_log("Cannot connect")
    scene.fleet.server.start()
    wait_for("its heartbeat", lambda: scene.fleet.client.keys("hangtag:worker:*"))
    assert worker.running, worker.story


# TLS.


@pytest.fixture(scope="module")
def tls(redis_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Servers by what is wrong with them -> URL; `ca` is the file of the authority of all but
    `unknown`."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    made = {
        "good": certificate(folder / "good", "localhost", "127.0.0.1", authority=authority),
        "expired": certificate(folder / "old", "localhost", days=-1, authority=authority),
        "unknown": certificate(folder / "unknown", "localhost"),
        "other host": certificate(folder / "other", "broker.example", authority=authority),
    }
    running, urls = [], {"ca": str(made["good"].ca)}
    try:
        for name, one in made.items():
            server, port = tls_server(redis_binary, one)
            running.append(server)
            urls[name] = f"rediss://localhost:{port}"
            urls[f"{name}'s socket"] = server.url
        asks, port = tls_server(redis_binary, made["good"], "--tls-auth-clients", "yes")
        running.append(asks)
        urls["asks"] = f"rediss://localhost:{port}"
        urls["cert"], urls["key"] = str(made["good"].cert), str(made["good"].key)
        yield urls
    finally:
        for server in running:
            server.close()


TLS_PARTS = [*APPS, "classify", "hangtag worker"]


@pytest.mark.parametrize("part", TLS_PARTS)
@pytest.mark.parametrize(
    ("name", "why"),
    [("expired", "its certificate has expired; renew it"),
     ("unknown", "nobody trusted here has signed its certificate; name its authority's file"),
     ("other host", "its certificate is for another host; use a name that it holds")],
)  # fmt: skip
def test_a_certificate_that_does_not_hold_ends_it(
    scene: Scene, tls: dict[str, str], part: str, name: str, why: str
) -> None:
    scene.check_refused(part, why, HANGTAG_REDIS_URL=tls[name], HANGTAG_REDIS_CA=tls["ca"])


@pytest.mark.parametrize("part", TLS_PARTS)
def test_rediss_without_the_authority_is_refused(
    scene: Scene, tls: dict[str, str], part: str
) -> None:
    why = "nobody trusted here has signed its certificate; name its authority's file"
    scene.check_refused(part, why, HANGTAG_REDIS_URL=tls["good"])


@pytest.mark.parametrize("part", ["worker", "classify"])
def test_a_server_that_asks_for_our_certificate_lets_nobody_in_without(
    scene: Scene, tls: dict[str, str], part: str
) -> None:
    asks = {"HANGTAG_REDIS_URL": tls["asks"], "HANGTAG_REDIS_CA": tls["ca"]}
    process = scene.start(part, **asks)
    assert process.wait(30) == Exit.SETUP, process.story
    # The reason comes after the handshake, and may be lost when the server hangs up at once. Then
    # a worker tries again, and a command says that there is no answer.
    why = "it asks for our certificate; set HANGTAG_REDIS_CERT and HANGTAG_REDIS_KEY"
    unheard = part == "classify" and "hangtag: Redis at rediss://localhost" in process.log
    assert process.log.count(why) == 1 or unheard, process.story
    assert "Traceback" not in process.log or part == "worker", process.story


@pytest.mark.parametrize("asks", [False, True])
def test_over_tls_a_job_is_as_ever(
    tls: dict[str, str], pictures: Gallery, tmp_path: Path, asks: bool, redis_binary: Path
) -> None:
    settings = {"HANGTAG_REDIS_CA": tls["ca"], "HANGTAG_REDIS_URL": tls["good"]}
    if asks:
        settings |= {"HANGTAG_REDIS_URL": tls["asks"]}
        settings |= {"HANGTAG_REDIS_CERT": tls["cert"], "HANGTAG_REDIS_KEY": tls["key"]}
    with RedisServer(redis_binary) as idle, Fleet(idle, **SHORT_TIMES) as fleet:
        worker = fleet.worker(1, ready=False, app="worker.app", **settings)
        few = pictures.paths[:40]
        job = fleet.producer(
            "classify", *few, "-o", str(tmp_path / "out.csv"), cwd=pictures.cwd, **settings
        )
        assert job.wait() == Exit.OK, job.story + worker.story
        assert idle.client.dbsize() == 0, "it went to the other server"
    assert (tmp_path / "out.csv").read_text().count("\n") == 41
