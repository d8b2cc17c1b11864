"""`hangtag metrics`, with a real server and real workers: the figures are correct."""

from __future__ import annotations

import csv
import itertools
import re
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import msgspec
import pytest

from producer.machine import stack
from producer.monitor.metric_families import take_snapshot
from shared import keys
from shared.errors import Exit
from shared.ledger import heartbeats
from shared.ledger.heartbeats import Heartbeat
from shared.ledger.request_inbox import RequestInbox
from shared.messages.requests import Progress, Remove, Request
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.broken_files import RUBBISH
from tests.support.processes import in_process, local_stack
from tests.support.processes.fleet import SHORT_TIMES, Fleet, Producer, wait_for
from tests.support.processes.local_stack import Place
from tests.support.servers.metrics_endpoint import Endpoint, Scrape
from tests.support.servers.redis_server import RedisServer

SPAN_S = 30.0
IMAGES = 160
#: Prometheus' default limit for a scrape.
SCRAPE_S = 10.0
#: Of a test that reads the server's statistics.
OWN_COMMANDS = {"cmdstat_info", "cmdstat_config|resetstat"}
ONLY_UP = Scrape({"hangtag_redis_up": 0.0})
MODEL = 'hangtag_model_version_info{alias="production",name="fashion-mnist",version="0"}'


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """Images, some of them damaged, and a list of them all and of a missing one."""
    made = gallery.make(tmp_path_factory.mktemp("pictures"), IMAGES)
    for path in made.paths[10:30:4]:
        (made.cwd / path).write_bytes(RUBBISH)
    for path in made.paths[50:90:10]:
        whole = (made.cwd / path).read_bytes()
        (made.cwd / path).write_bytes(whole[: len(whole) // 2])
    (made.cwd / "list").write_text("\n".join([*made.paths, "pictures/gone.png"]))
    return made


@pytest.fixture
def fleet(server: RedisServer) -> Iterator[Fleet]:
    with Fleet(server, **SHORT_TIMES) as running:
        yield running


@pytest.fixture(scope="module")
def idle(server_binary: Path) -> Iterator[tuple[Fleet, Endpoint]]:
    """An endpoint for tests that change neither it nor its server."""
    with RedisServer(server_binary) as server, Fleet(server, **SHORT_TIMES) as running:
        yield running, Endpoint(running)


def classify(fleet: Fleet, images: Gallery, output: Path) -> Producer:
    arguments = ("classify", "--list", "list", "-o", str(output))
    return fleet.producer(*arguments, cwd=images.cwd)


def output_of(fleet: Fleet, *arguments: str, **settings: str) -> str:
    """The standard output of a command."""
    command = in_process.run(fleet, *arguments, cwd=Path("/"), **settings)
    assert command.code == Exit.OK, command.story
    return command.out


def workers(fleet: Fleet) -> list[Heartbeat]:
    return msgspec.json.decode(output_of(fleet, "workers", "--json"), type=list[Heartbeat])


def the_job(fleet: Fleet) -> str:
    """The id of the one job in Redis."""
    (name,) = cast(list[bytes], fleet.client.zrange(keys.JOBS, 0, -1))
    return name.decode()


def statuses(table: Path) -> list[str]:
    with table.open(newline="", encoding="utf-8") as rows:
        return [row["status"] for row in csv.DictReader(rows)]


def test_images_and_failures_are_those_of_the_table(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    before_ms = heartbeats.server_ms(fleet.client)
    worker = fleet.worker(2)
    endpoint = Endpoint(fleet)
    output = str(tmp_path / "out.csv")
    job = in_process.run(fleet, "classify", "--list", "list", "-o", output, cwd=images.cwd)
    assert job.code == Exit.SOME_FAILED, job.story
    rows = statuses(tmp_path / "out.csv")
    failed = {status: n for status, n in Counter(rows).items() if status != "ok"}
    assert len(rows) == IMAGES + 1
    assert len(failed) >= 2
    scrape = endpoint.wait_for("all rows", images_total=len(rows))
    assert scrape.by("hangtag_failures_total") == failed
    assert scrape.by("hangtag_workers") == {"classify": 1}
    assert scrape["hangtag_slots"] == 2
    assert scrape[MODEL] == 1
    assert 0 < scrape["hangtag_redis_memory_ratio"] < 1
    assert scrape.by("hangtag_jobs") == {}
    time.sleep(2.0)  # some heartbeats without work: the versions in memory stay
    (beat,) = workers(fleet)
    assert (beat.host, beat.pid) == (socket.gethostname(), worker.pid)
    assert (beat.images, beat.failures) == (len(rows), failed)
    assert beat.versions == ["fashion-mnist@0"]
    assert before_ms <= beat.since_ms <= heartbeats.server_ms(fleet.client)
    lived_s = min((beat.at_ms - beat.since_ms) / 1000, SPAN_S)
    assert beat.rate == pytest.approx(len(rows) / lived_s, rel=0.2)
    found = endpoint.scrape()["hangtag_images_per_second"]
    assert 0.5 * beat.rate < found <= 1.1 * beat.rate
    displayed = output_of(fleet, "workers")
    assert ", ".join(f"{code} {n}" for code, n in sorted(failed.items())) in displayed
    assert re.search(r"  (\d+ (s|min|h) ago|now)  ", displayed)  # the start


def beat(fleet: Fleet, start_ms: int, images: int = 0, missing: int = 0) -> None:
    """A heartbeat of a worker of one process."""
    now_ms = heartbeats.server_ms(fleet.client)
    heartbeats.beat(
        fleet.client,
        Heartbeat(
            "a:1:1", "host", 1, keys.CLASSIFY_QUEUE, ["5:6"], [], images, 0.0, 0,
            now_ms, start_ms, {"missing": missing},
        ),
        ttl_s=60,
    )  # fmt: skip


def test_the_backlog_and_its_age_are_reported_without_workers(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    endpoint = Endpoint(fleet)
    job = classify(fleet, images, tmp_path / "out.csv")  # there is no worker
    job.wait_until_sent()
    first = endpoint.wait_for("batches", **{'jobs{state="running"}': 1, "batches_outstanding": 4})
    time.sleep(1.5)
    later = endpoint.scrape()
    waited_s = "hangtag_oldest_batch_age_seconds"
    assert later[waited_s] > first[waited_s] + 1
    assert later[waited_s] < 60
    fleet.worker(1)
    assert job.wait() == Exit.SOME_FAILED, job.story
    done = endpoint.wait_for("the end", batches_outstanding=0)
    assert done[waited_s] == 0
    assert done.by("hangtag_jobs") == {}


def test_paused_and_cancelled_jobs_are_counted_apart(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    endpoint = Endpoint(fleet)
    job = classify(fleet, images, tmp_path / "out.csv")
    endpoint.wait_for("a job", **{'jobs{state="running"}': 1})
    job.kill()
    name = the_job(fleet)
    fleet.client.zincrby(keys.JOBS, -60, name)  # as if that had been a minute ago
    scrape = endpoint.scrape()
    assert scrape.by("hangtag_jobs") == {"paused": 1}
    assert scrape["hangtag_batches_outstanding"] == scrape["hangtag_oldest_batch_age_seconds"] == 0
    fleet.client.hset(keys.job(name, "record"), "state", "cancelled")
    assert endpoint.scrape().by("hangtag_jobs") == {"cancelled": 1}


def test_requests_and_those_in_progress_are_counted(fleet: Fleet) -> None:
    endpoint = Endpoint(fleet)
    requests = RequestInbox(fleet.client)
    for name in ("one", "two"):
        requests.submit(Request(id=name, work=Remove("m", keep=1), who="me", created=0.0))
    scrape = endpoint.scrape()
    assert (scrape["hangtag_requests_open"], scrape["hangtag_training_leases"]) == (2, 0)
    requests.report("one", "host:1:1/2:2", Progress("training"))
    assert endpoint.scrape()["hangtag_training_leases"] == 1
    requests.withdraw("one")
    endpoint.wait_for("the end of the work", training_leases=0, requests_open=2)


def test_a_health_check_sends_redis_no_command(idle: tuple[Fleet, Endpoint]) -> None:
    fleet, endpoint = idle
    assert endpoint.scrape()["hangtag_redis_up"] == 1
    fleet.client.config_resetstat()
    assert endpoint.get("/healthz") == "ok\n"
    assert set(fleet.client.info("commandstats")) <= OWN_COMMANDS
    endpoint.scrape()
    assert not set(fleet.client.info("commandstats")) <= OWN_COMMANDS


def test_a_scrape_waits_for_one_reply_of_a_mute_server(fleet: Fleet) -> None:
    """So it ends before Prometheus' limit, which a second wait and a retry would exceed."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as mute:
        mute.setblocking(False)
        url = f"redis://127.0.0.1:{mute.getsockname()[1]}"
        endpoint = Endpoint(fleet, HANGTAG_REDIS_URL=url)
        _accepted(mute)
        assert endpoint.scrape() == ONLY_UP
        assert endpoint.took_s < SCRAPE_S
        assert _accepted(mute) == 1


def _accepted(server: socket.socket) -> int:
    """The number of connections since the last call; each costs a client a time limit."""
    for count in itertools.count():
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return count
    raise AssertionError


def test_without_redis_a_scrape_reports_it_and_the_endpoint_continues(fleet: Fleet) -> None:
    endpoint = Endpoint(fleet)
    assert endpoint.scrape()["hangtag_redis_up"] == 1
    fleet.server.kill()
    assert endpoint.scrape() == ONLY_UP
    assert endpoint.get("/healthz") == "ok\n"
    fleet.server.start()
    endpoint.wait_for("Redis", redis_up=1, requests_open=0)
    assert endpoint.process.log.count("Redis does not answer") == 1
    assert endpoint.process.log.count("Redis is back") == 1


def test_a_server_that_refuses_is_not_up_and_the_reason_is_logged(fleet: Fleet) -> None:
    endpoint = Endpoint(fleet)
    assert endpoint.scrape()["hangtag_redis_up"] == 1
    fleet.client.config_set("requirepass", "secret")
    fleet.client.client_kill_filter(_type="normal", skipme=True)
    assert endpoint.scrape() == endpoint.scrape() == ONLY_UP
    (line,) = endpoint.process.log.splitlines()
    assert line.startswith("Redis refuses: it requires a password")
    fleet.client.config_set("requirepass", "")
    endpoint.wait_for("Redis", redis_up=1)


def test_bad_clients_block_no_scrape_and_are_left_without_a_trace(
    idle: tuple[Fleet, Endpoint],
) -> None:
    """Many that send nothing, one that sends rubbish, and one that resets its connection."""
    _, endpoint = idle
    address = "127.0.0.1", int(endpoint.url.rpartition(":")[2])
    endpoint.scrape()
    log = endpoint.process.log
    with ExitStack() as clients:
        leaving, *staying = [
            clients.enter_context(socket.create_connection(address, timeout=60)) for _ in range(30)
        ]
        staying[0].sendall(b"\x16\x03\x01\0\0 \xff\r\n\r\n")
        leaving.sendall(b"GET /metrics HTTP/1.1\r\n")
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        leaving.close()
        assert endpoint.scrape()["hangtag_redis_up"] == 1
        for client in staying:
            while client.recv(4096):
                """Until the endpoint has closed the connection."""
    assert endpoint.scrape()["hangtag_redis_up"] == 1
    assert endpoint.process.log == log


def test_foreign_keys_hide_no_other_figure(fleet: Fleet) -> None:
    endpoint = Endpoint(fleet)
    beat(fleet, heartbeats.server_ms(fleet.client))
    for key in (keys.JOBS, keys.REQUESTS, keys.model_history("m"), keys.worker("x")):
        fleet.client.set(key, b"\xff")
    fleet.client.zadd(keys.WORKERS, {b"x": 1, b"\xfe": 1})
    scrape = endpoint.scrape()
    assert scrape["hangtag_redis_up"] == scrape["hangtag_slots"] == 1
    assert scrape[MODEL] == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, Exit.OK), (signal.SIGINT, Exit.INTERRUPTED)]
)
def test_a_signal_ends_it_in_order(fleet: Fleet, number: signal.Signals, code: Exit) -> None:
    endpoint = Endpoint(fleet)
    endpoint.scrape()
    endpoint.process.signal(number)
    assert endpoint.process.wait(15) == code, endpoint.process.story
    assert "Traceback" not in endpoint.process.log


def test_an_unusable_address_is_reported_in_one_line(idle: tuple[Fleet, Endpoint]) -> None:
    fleet, endpoint = idle
    port = endpoint.url.rpartition(":")[2]
    for options, why in {
        ("--port", port): f"port {port} of 127.0.0.1 is in use; choose another --port",
        ("--port", "0", "--host", "203.0.113.1"): "choose another --host",
        ("--port", "0", "--host", "no.such.invalid"): "choose another --host",
        ("--port", "0", "--host", "no..such"): "choose another --host",
    }.items():
        command = in_process.run(fleet, "metrics", *options, cwd=Path("/"))
        assert command.code == Exit.SETUP, command.story
        (line,) = command.log.splitlines()
        assert why in line


@pytest.fixture
def place() -> Iterator[Place]:
    for new in local_stack.new():
        new.request_one_process()
        yield new


def test_it_monitors_this_machines_stack_without_keeping_it_up(
    place: Place, server_binary: Path
) -> None:
    place.settings = msgspec.structs.replace(place.settings, stack_idle_s=2.0)
    with Fleet(RedisServer(server_binary)) as nowhere:
        own = {**place.environment, "HANGTAG_REDIS_URL": ""}
        endpoint = Endpoint(nowhere, **own)
        assert endpoint.scrape() == ONLY_UP  # and no stack was started
        assert not place.parents("supervisor")
        with place.client() as client:  # keeps the stack up until its worker is ready
            stack.ensure(place.settings)
            client.ping()
            endpoint.wait_for("its worker", **{'workers{queue="classify"}': 1})

        def ended() -> bool:
            endpoint.scrape()
            return not place.parents("supervisor") and not place.parents("server")

        wait_for("the end of the stack", ended, poll_s=0.2)
        assert endpoint.scrape() == ONLY_UP


def _cost(server: RedisServer, poll: str, fleet: Fleet) -> tuple[int, int]:
    """The number of commands of a poll, and of bytes that the server returns."""
    client = server.client

    def counted() -> tuple[int, int]:
        stats = client.info("stats")
        return stats["total_commands_processed"], stats["total_net_output_bytes"]

    before = counted()
    if poll == "status":
        output_of(fleet, "status")
    else:
        take_snapshot(client)
    after = counted()
    return after[0] - before[0], after[1] - before[1]


@pytest.mark.parametrize("poll", ["status", "metrics"])
def test_a_poll_costs_the_same_for_a_job_of_any_size(
    fleet: Fleet, server: RedisServer, images: Gallery, tmp_path: Path, poll: str
) -> None:
    job = classify(fleet, images, tmp_path / "out.csv")
    wait_for("its record", lambda: fleet.client.zcard(keys.JOBS))
    job.wait_until_sent()
    job.kill()
    _cost(server, poll, fleet)
    small = _cost(server, poll, fleet)
    name = the_job(fleet)
    with fleet.client.pipeline(transaction=False) as pipe:
        pipe.hset(keys.job(name, "record"), mapping={"found": 10**10, "done": 10**10 - 10**6})
        pipe.setbit(keys.job(name, "done"), 10**7, 1)
        for n in range(3_000):
            pipe.hset(keys.job(name, "payload"), str(n), b"x" * 2_000)
            pipe.hset(keys.job(name, "owner"), str(n), "host:1:1/1:1|5")
            pipe.xadd(keys.job(name, "results"), {"b": n, "r": b"x" * 2_000})
        pipe.execute()
    large = _cost(server, poll, fleet)
    assert large[0] == small[0]
    assert abs(large[1] - small[1]) < 500  # bytes: the size of INFO's own reply varies
