"""An invalid server certificate or a missing client certificate ends a process with one line.

The server is always Debian's Redis, since the embedded server is built without TLS.
"""

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
def scene(fleet: Fleet, images: Gallery, tmp_path: Path) -> Scene:
    return Scene(fleet, images, tmp_path)


@pytest.fixture(scope="module")
def redis_binary() -> Path:
    found = redis_server()
    if found is None:
        pytest.skip("there is no redis-server on this machine")
    return found


@pytest.fixture(scope="module")
def tls(redis_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Fault of the server -> URL; `ca` is the authority's file, valid for all but `unknown`."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    made = {
        "good": certificate(folder / "good", "localhost", "127.0.0.1", authority=authority),
        "expired": certificate(folder / "old", "localhost", days=-1, authority=authority),
        "unknown": certificate(folder / "unknown", "localhost"),
        "other host": certificate(folder / "other", "broker.example", authority=authority),
    }
    running, urls = [], {"ca": str(made["good"].ca)}
    try:
        for name, files in made.items():
            server, port = tls_server(redis_binary, files)
            running.append(server)
            urls[name] = f"rediss://localhost:{port}"
            urls[f"{name}'s socket"] = server.url
        mutual, port = tls_server(redis_binary, made["good"], "--tls-auth-clients", "yes")
        running.append(mutual)
        urls["mutual"] = f"rediss://localhost:{port}"
        urls["cert"], urls["key"] = str(made["good"].cert), str(made["good"].key)
        yield urls
    finally:
        for server in running:
            server.close()


TLS_PARTS = [*APPS, "classify", "hangtag worker"]


@pytest.mark.parametrize("part", TLS_PARTS)
@pytest.mark.parametrize(
    ("name", "why"),
    [("expired", "certificate has expired"),
     ("unknown", "self-signed certificate in certificate chain"),
     ("other host", "certificate is not valid for 'localhost'")],
)  # fmt: skip
def test_an_invalid_certificate_ends_the_process(
    scene: Scene, tls: dict[str, str], part: str, name: str, why: str
) -> None:
    scene.check_refused(part, why, HANGTAG_REDIS_URL=tls[name], HANGTAG_REDIS_CA=tls["ca"])


@pytest.mark.parametrize("part", [*APPS, "classify"])
def test_a_missing_client_certificate_ends_the_process(
    scene: Scene, tls: dict[str, str], part: str
) -> None:
    settings = {"HANGTAG_REDIS_URL": tls["mutual"], "HANGTAG_REDIS_CA": tls["ca"]}
    process = scene.start(part, **settings)
    assert process.wait(30) == Exit.SETUP, process.story
    # The reason follows the handshake, and is lost if the server closes the connection at once.
    # Then a worker retries, and a command reports that the server does not answer.
    why = "it requires a client certificate; set HANGTAG_REDIS_CERT and HANGTAG_REDIS_KEY"
    lost = part == "classify" and "hangtag: Redis at rediss://localhost" in process.log
    assert process.log.count(why) == 1 or lost, process.story
    assert "Traceback" not in process.log, process.story


@pytest.mark.parametrize("mutual", [False, True])
def test_a_job_over_tls_writes_the_same_table(
    tls: dict[str, str], images: Gallery, tmp_path: Path, mutual: bool, redis_binary: Path
) -> None:
    settings = {"HANGTAG_REDIS_CA": tls["ca"], "HANGTAG_REDIS_URL": tls["good"]}
    if mutual:
        settings |= {"HANGTAG_REDIS_URL": tls["mutual"]}
        settings |= {"HANGTAG_REDIS_CERT": tls["cert"], "HANGTAG_REDIS_KEY": tls["key"]}
    with RedisServer(redis_binary) as idle, Fleet(idle, **SHORT_TIMES) as fleet:
        worker = fleet.worker(1, ready=False, app="worker.app", **settings)
        few = images.paths[:40]
        job = fleet.producer(
            "classify", *few, "-o", str(tmp_path / "out.csv"), cwd=images.cwd, **settings
        )
        assert job.wait() == Exit.OK, job.story + worker.story
        assert idle.client.dbsize() == 0, "the job used the other server"
    rows = images.table.splitlines(keepends=True)[: 1 + len(few)]
    assert job.output.read_bytes() == b"".join(rows)
