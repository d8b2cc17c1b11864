"""A server whose certificate does not hold, or that wants ours, ends a command or a worker with one
line. Always Debian's Redis, since the embedded server is built without TLS: one lane is enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from shared.errors import Exit
from tests.support.images.gallery import Gallery
from tests.support.processes.fleet import SHORT_TIMES, Fleet
from tests.support.servers.access_denied import APPS, Scene
from tests.support.servers.redis_server import RedisServer, redis_server
from tests.support.servers.secured_servers import certificate, tls_server


@pytest.fixture
def scene(fleet: Fleet, pictures: Gallery, tmp_path: Path) -> Scene:
    return Scene(fleet, pictures, tmp_path)


@pytest.fixture(scope="module")
def redis_binary() -> Path:
    found = redis_server()
    if found is None:
        pytest.skip("there is no redis-server on this machine")
    return found


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
     ("unknown", "its certificate is not signed by a trusted authority; name its authority's file"),
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
    why = "its certificate is not signed by a trusted authority; name its authority's file"
    scene.check_refused(part, why, HANGTAG_REDIS_URL=tls["good"])


@pytest.mark.parametrize("part", [*APPS, "classify"])
def test_a_server_that_asks_for_our_certificate_lets_nobody_in_without(
    scene: Scene, tls: dict[str, str], part: str
) -> None:
    asks = {"HANGTAG_REDIS_URL": tls["asks"], "HANGTAG_REDIS_CA": tls["ca"]}
    process = scene.start(part, **asks)
    assert process.wait(30) == Exit.SETUP, process.story
    # The reason comes after the handshake, and may be lost when the server hangs up at once. Then
    # a worker tries again, and a command says that there is no answer.
    why = "it requires a client certificate; set HANGTAG_REDIS_CERT and HANGTAG_REDIS_KEY"
    unheard = part == "classify" and "hangtag: Redis at rediss://localhost" in process.log
    assert process.log.count(why) == 1 or unheard, process.story
    assert "Traceback" not in process.log, process.story


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
    rows = pictures.table.splitlines(keepends=True)[: 1 + len(few)]
    assert job.output.read_bytes() == b"".join(rows)
