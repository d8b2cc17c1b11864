"""The processes of the manifests work together: server options, users, TLS, probes, commands.

They run on this machine instead of a cluster: paths differ and `redis:6379` is another port.
Nothing else is changed.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from shared.errors import Exit
from tests.support.deploy import kustomize
from tests.support.deploy.kustomize import JOB, Object, Pod, pod
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER
from tests.support.processes.fleet import SHORT_TIMES, Fleet, Producer, wait_for
from tests.support.servers.secured_servers import (
    Certificate,
    GuardedServer,
    Users,
    certificate,
    free_port,
)

BATCHES_UNSEEN = 4
IMAGES = 100
#: Between two requests of a metrics page.
POLL_S = 0.2
_PORTS_TRIED = 5


class Here:
    """One overlay's pods, started on this machine."""

    def __init__(self, overlay: str, folder: Path) -> None:
        self.objects: list[Object] = kustomize.build(overlay)
        self.users = Users(folder / "users")
        self.tls: Certificate = certificate(folder / "tls", "localhost")
        self._at(free_port())

    def _at(self, port: int) -> None:
        self.port = port
        self._elsewhere = {
            "/etc/redis/users.acl": str(self.users.file),
            "/etc/redis-tls/tls.crt": str(self.tls.cert),
            "/etc/redis-tls/tls.key": str(self.tls.key),
            "/etc/hangtag/ca.pem": str(self.tls.ca),
            "redis:6379": f"localhost:{self.port}",
            "6379": str(self.port),
        }
        self._there = "|".join(map(re.escape, self._elsewhere))

    def here(self, text: str) -> str:
        """A word of a manifest, with the paths and ports of this machine."""
        return re.sub(self._there, lambda found: self._elsewhere[found[0]], text)

    @contextmanager
    def server(self) -> Iterator[GuardedServer]:
        """The running server with the options of its pod, at a free port."""
        binary = shutil.which("redis-server")
        if not binary or not shutil.which("redis-cli"):
            pytest.skip("there is no redis-server on this machine")
        for last in (False,) * (_PORTS_TRIED - 1) + (True,):
            options = map(self.here, pod(self.objects, "redis").container["args"])
            server = GuardedServer(Path(binary), self.users, *options, "--bind", "127.0.0.1")
            try:
                server.start()
                break
            except RuntimeError:  # another process has taken the port meanwhile
                server.close()
                if last:
                    raise
                self._at(free_port())
        try:
            yield server
        finally:
            server.close()

    def probe(self, name: str) -> int:
        """The exit code of one of the server's probes."""
        command = pod(self.objects, "redis").container[name]["exec"]["command"]
        return subprocess.run([self.here(word) for word in command]).returncode

    def env(self, one: Pod) -> dict[str, str]:
        """The variables of a pod; the password is that of the mounted Secret."""
        found = {name: self.here(value) for name, value in one.env(self.objects).items()}
        (secret,) = (s["secret"]["name"] for s in _sources(one) if "secret" in s)
        file = self.users.folder / f"{secret.removeprefix('hangtag-')}.password"
        return found | {"HANGTAG_REDIS_PASSWORD_FILE": str(file), "HOME": str(self.users.folder)}


CLUSTER, TLS = "overlays/cluster", "overlays/tls"


@pytest.fixture(params=[CLUSTER, TLS])
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Here:
    return Here(request.param, tmp_path)


@pytest.fixture
def running(here: Here) -> Iterator[GuardedServer]:
    with here.server() as server:
        yield server


@pytest.mark.parametrize("name", ["livenessProbe", "readinessProbe"])
def test_the_servers_probes_report_whether_it_replies(here: Here, name: str) -> None:
    assert here.probe(name) != 0
    with here.server():
        assert here.probe(name) == 0
    assert here.probe(name) != 0


def test_the_worker_completes_the_job(here: Here, running: GuardedServer, tmp_path: Path) -> None:
    small = gallery.make(tmp_path, IMAGES)
    with Fleet(running) as fleet:
        one = pod(here.objects, "worker")
        worker = fleet.producer(*one.container["args"], cwd=tmp_path, **here.env(one))
        (job,) = kustomize.pods(kustomize.build(JOB))
        words = {"/photos": FOLDER, "/out/results.csv": "results.csv"}
        command = [words.get(word, word) for word in job.container["args"]]
        done = fleet.producer(*command, cwd=tmp_path, **here.env(job))
        assert done.wait() == Exit.OK, done.story
        assert (tmp_path / "results.csv").read_bytes() == small.table
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0, worker.story
    assert running.denied() == []


# Both have the same probes, as tests/unit/deploy/test_kubernetes.py checks.
@pytest.mark.parametrize(
    "here", [TLS, pytest.param(CLUSTER, marks=pytest.mark.nightly)], indirect=True
)
@pytest.mark.parametrize("name", ["worker", "trainer"])
def test_the_probes_of_worker_and_trainer_report_their_state(
    here: Here, running: GuardedServer, tmp_path: Path, name: str
) -> None:
    one = pod(here.objects, name)
    env = here.env(one) | SHORT_TIMES | {"HANGTAG_STORE": str(tmp_path / "store")}
    env["TMPDIR"] = str(tmp_path)  # a probe finds all workers that have their files there
    with Fleet(running) as fleet:

        def well(probe: str) -> bool:
            _, _, module, *words = one.container[probe]["exec"]["command"]
            check = fleet.producer(*words, cwd=tmp_path, program=(module,), **env)
            return check.wait() == 0

        probes = ("startupProbe", "livenessProbe", "readinessProbe")
        assert not any(map(well, probes))
        part = fleet.producer(*one.container["args"], cwd=tmp_path, **env)
        part.wait_for_log("Ctrl-C")  # a poll of a probe starts a process
        wait_for("readiness", lambda: well("readinessProbe"))
        assert all(map(well, probes))
        running.kill()  # an outage of Redis must not restart the container
        wait_for("the failed reading", lambda: not well("readinessProbe"))
        assert well("livenessProbe")
        assert part.running, part.story


def test_keda_reads_the_outstanding_batches_and_nothing_without_redis(
    here: Here, running: GuardedServer, tmp_path: Path
) -> None:
    gallery.make(tmp_path, IMAGES)
    scaled = kustomize.named(kustomize.build("overlays/keda"), "ScaledObject", "worker")
    trigger = scaled["spec"]["triggers"][0]["metadata"]
    with Fleet(running) as fleet:
        one = pod(here.objects, "metrics")
        page, port = metrics_page(fleet, one, tmp_path, here.env(one))
        assert batches(port, trigger) == 0
        for name in ("livenessProbe", "readinessProbe"):
            assert get(port, one.container[name]["httpGet"]["path"])
        (job,) = kustomize.pods(kustomize.build(JOB))
        fleet.producer("classify", FOLDER, "-o", "r.csv", cwd=tmp_path, **here.env(job))
        # Without workers, the backlog is what requests the first worker.
        wait_for("batches", lambda: batches(port, trigger) == BATCHES_UNSEEN, poll_s=POLL_S)
        running.kill()
        # KEDA takes 0 for the end of the work and would stop the workers; an error changes nothing.
        wait_for("the failed reading", lambda: batches(port, trigger) is None, poll_s=POLL_S)
        page.signal(signal.SIGTERM)
        assert page.wait() == 0, page.story


def metrics_page(fleet: Fleet, one: Pod, cwd: Path, env: dict[str, str]) -> tuple[Producer, str]:
    """A running `hangtag metrics` with the words of its pod, and its port."""
    for _ in range(_PORTS_TRIED):
        port = str(free_port())
        command = [port if word == "9808" else word for word in one.container["args"]]
        page = fleet.producer(*command, cwd=cwd, **env)

        def begun(page: Producer = page) -> bool:
            return "http" in page.out or not page.running

        wait_for("the page", begun)
        if "is in use" not in page.log:  # otherwise another process has taken the port meanwhile
            break
    assert page.running, page.story
    return page, port


def batches(port: str, trigger: Object) -> float | None:
    """The value that KEDA's trigger reads on the page; None is an error to it."""
    wanted = re.escape(trigger["valueLocation"])
    page = get(port, urlsplit(trigger["url"]).path)
    found = re.search(rf"^{wanted} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else None


def get(port: str, path: str) -> str:
    """A page of `hangtag metrics`."""
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
        return str(reply.read().decode())


def _sources(one: Pod) -> list[Object]:
    volumes = (volume.get("projected", {}) for volume in one.spec["volumes"])
    return [source for volume in volumes for source in volume.get("sources", ())]
