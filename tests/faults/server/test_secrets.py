"""A password is in no log, no output, no table or journal, no key and no process title."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from shared.errors import Exit
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.processes import procfs
from tests.support.processes.fleet import SHORT_TIMES, Fleet, as_product
from tests.support.servers.secured_servers import GuardedServer, Users, acl_setuser

#: It starts like a port number.
SECRET = "12/s3cr:t/w@rd%41"
#: The password as it is, percent-encoded, and parts of it.
TRACES = [SECRET.encode(), quote(SECRET, safe="").encode(), b"s3cr", b"w@rd", b"w%40rd"]


def verbose(app: str, concurrency: int) -> list[str]:
    return as_product(app, concurrency, "--loglevel", "DEBUG")


@pytest.fixture
def server(tmp_path: Path, server_binary: Path) -> Iterator[GuardedServer]:
    """A server with one password for all users."""
    running = GuardedServer(server_binary, Users(tmp_path / "users"))
    with running:
        for user in ("producer", "worker", "trainer"):
            acl_setuser(running, f"hangtag-{user}", SECRET)
        yield running


def url(server: GuardedServer, part: str, password: str = SECRET) -> str:
    return f"unix://hangtag-{part}:{quote(password, safe='')}@{server.socket}"


def check_clean(where: str, data: bytes) -> None:
    for trace in TRACES:
        assert trace not in data, f"a part of the password is in {where}"


def everything(server: GuardedServer) -> bytes:
    """Every key with its dumped value."""
    client = server.client
    return b"".join(key + (client.dump(key) or b"") for key in client.scan_iter("*"))


def titles(pids: list[int]) -> bytes:
    found = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids if procfs.is_alive(pid)]
    return b"\n".join(found)


def test_a_password_in_the_url_appears_nowhere(
    server: GuardedServer, images: Gallery, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    with Fleet(
        server, **SHORT_TIMES, HANGTAG_BATCH_IMAGES="16", HANGTAG_STORE=str(tmp_path / "store")
    ) as fleet:
        user = {"HANGTAG_REDIS_URL": url(server, "worker")}
        worker = fleet.launched(verbose, 2, ready=True, **user)
        user = {"HANGTAG_REDIS_URL": url(server, "trainer")}
        trainer = fleet.launched(verbose, 1, "worker.trainer", True, **user)
        user = {"HANGTAG_REDIS_URL": url(server, "producer")}
        commands = []

        def hangtag(*arguments: str, **settings: str) -> None:
            commands.append(fleet.producer(*arguments, cwd=images.cwd, **{**user, **settings}))
            commands[-1].wait()

        job = fleet.producer("classify", FOLDER, "-o", str(output), cwd=images.cwd, **user)
        job.wait_until_done(1)
        check_clean("a process title", titles([job.pid, worker.pid, *worker.children]))
        check_clean("a process title", titles([trainer.pid, *trainer.children]))
        children = worker.children
        for pid in children:
            procfs.stop(pid)  # the background job must stay open
        hangtag("classify", "--detach", FOLDER, "-o", str(tmp_path / "second.csv"))
        background = [pid for pid in fleet_of(url(server, "producer")) if pid != job.pid]
        check_clean("a process title", titles(background))
        assert background, "submit has left no process"
        for pid in children:
            procfs.go_on(pid)
        check_clean("Redis", everything(server))
        for arguments in (("status",), ("workers",), ("train", "--list"), ("models", "list")):
            hangtag(*arguments)
        assert job.wait() == Exit.OK, job.story
        assert output.read_bytes() == images.table
        hangtag("classify", str(tmp_path / "second.csv"))
        # Errors do not contain it either.
        for part in ("producer", "trainer"):
            bad = url(server, part, SECRET + "x")
            hangtag("classify", FOLDER, "-o", str(tmp_path / "bad.csv"), HANGTAG_REDIS_URL=bad)
            hangtag("worker", HANGTAG_REDIS_URL=bad)
            raw = bad.replace("%40", "@").replace("%2F", "/")
            for command in ("status", "workers", "up"):
                hangtag(command, HANGTAG_REDIS_URL=raw)
        assert worker.end() == 0
        assert trainer.end() == 0
        hangtag("workers")  # no worker is alive, so it prints the command that starts one
        assert "start one with: HANGTAG_REDIS_URL=unix://" in commands[-1].log
        server.kill()
        hangtag("workers")
        hangtag("classify", FOLDER, "-o", str(tmp_path / "unreachable.csv"))
        assert "does not answer" in commands[-1].log, commands[-1].story
        for process in (worker, trainer, job, *commands):
            check_clean(f"the output of {process.pid}", (process.log + process.out).encode())
        assert len(worker.log) > 1_000, "the worker has logged too little"
    for path in tmp_path.rglob("*"):
        if path.is_file() and "users" not in path.parts:
            check_clean(str(path), path.read_bytes())


def fleet_of(broker: str) -> list[int]:
    """The pids of all processes that were started with this broker."""
    return procfs.with_variable("HANGTAG_REDIS_URL", broker)
