"""The settings and permissions of the services in docker-compose.yml, without an engine."""

from __future__ import annotations

import math
import re

import pytest

from producer.machine.machine_resources import PROCESS_BYTES
from shared.settings import Settings
from tests.support.deploy.compose_file import FILES, composed, mib, seconds, services
from tests.support.processes.fleet import ROOT
from worker.requests.attempt import GRACE_S

#: Each service's user on the server, which is also in the name of its password.
PART = {
    "worker": "worker", "trainer": "trainer", "producer": "producer", "metrics": "monitor",
}  # fmt: skip
#: Services without a route outside, and services that listen on this machine.
INSIDE = {"worker", "trainer", "producer"}
LISTENS = {"redis", "metrics"}
EVERY = sorted({*PART, "redis"})
#: Keys that only docker-compose.yml sets.
PROTECTIONS = {
    "user", "read_only", "cap_add", "cap_drop", "security_opt", "privileged", "network_mode", "pid",
    "ipc", "networks", "ports", "volumes", "secrets", "entrypoint",
}  # fmt: skip
PROCESS_MIB = PROCESS_BYTES >> 20
#: The shutdown of Celery and of the container, after the wait.
SLACK_S = 15


def test_every_service_is_in_these_lists() -> None:
    assert sorted(services()) == EVERY


@pytest.mark.parametrize("name", EVERY)
def test_a_service_has_a_read_only_root_and_no_privileges(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"cap_add", "privileged", "network_mode", "pid", "ipc", "devices"} & service.keys()
    # Writable volumes: only the trainer's models.
    written = [volume for volume in service.get("volumes", []) if not volume.endswith(":ro")]
    assert written == (["models:/var/lib/hangtag"] if name == "trainer" else [])


@pytest.mark.parametrize("name", EVERY)
def test_a_service_has_its_own_password_and_no_other_secret(name: str) -> None:
    service = services()[name]
    if name == "redis":
        assert service["secrets"] == ["users.acl"]
        return
    secret = f"{PART[name]}.password"
    assert service["secrets"] == [secret]
    environment = service["environment"]
    assert environment["HANGTAG_REDIS_USER"] == f"hangtag-{PART[name]}"
    assert environment["HANGTAG_REDIS_PASSWORD_FILE"] == f"/run/secrets/{secret}"
    assert "HANGTAG_REDIS_INSECURE" not in environment
    acl = (ROOT / "deploy/redis/users.acl").read_text("utf-8")
    assert f"\nuser hangtag-{PART[name]} on " in acl


@pytest.mark.parametrize("name", EVERY)
def test_only_listening_services_have_a_route_outside_and_listen_on_this_machine_only(
    name: str,
) -> None:
    assert composed()["networks"] == {"inside": {"internal": True}, "outside": None}
    service = services()[name]
    assert name in INSIDE | LISTENS
    assert service["networks"] == (["inside"] if name in INSIDE else ["inside", "outside"])
    ports = service.get("ports", [])
    assert len(ports) == (name in LISTENS)
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_server_requires_passwords_and_evicts_nothing() -> None:
    program, *words = services()["redis"]["command"]
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert program == "redis-server"
    assert options["--aclfile"] == "/run/secrets/users.acl"
    assert options["--maxmemory-policy"] == "noeviction"
    assert mib(options["--maxmemory"]) > 0
    assert (options["--save"], options["--appendonly"]) == ("", "no")


def documented_worker_settings() -> list[dict[str, str]]:
    """The documented settings of a worker's cores, with the other settings in their lines."""
    pages = [ROOT / ".env.example", ROOT / "docs/scaling.md", ROOT / "README.md"]
    lines = [line for page in pages for line in page.read_text("utf-8").splitlines()]
    found = [dict(re.findall(r"(HANGTAG_\w+)=([\w.]+)", line)) for line in lines]
    # A commented line is the default.
    return [
        one for one in found if "HANGTAG_WORKER_CPUS" in one and one != {"HANGTAG_WORKER_CPUS": "1"}
    ]


@pytest.mark.parametrize("settings", [{}, *documented_worker_settings()])
def test_an_image_that_needs_too_much_memory_fails_its_row_and_not_the_container(
    settings: dict[str, str],
) -> None:
    worker = services(**settings)["worker"]
    limits = worker["deploy"]["resources"]["limits"]
    children = math.ceil(float(limits["cpus"]))
    allowed = int(worker["environment"]["HANGTAG_CHILD_MEMORY_MB"])
    assert children * (allowed + PROCESS_MIB) + PROCESS_MIB <= mib(limits["memory"])


def test_a_worker_with_two_cores_is_documented() -> None:
    assert len(documented_worker_settings()) >= 2


def test_work_in_progress_is_finished_before_a_container_is_killed() -> None:
    found = services()
    assert seconds(found["worker"]["stop_grace_period"]) >= Settings().batch_limit_s + SLACK_S
    assert seconds(found["trainer"]["stop_grace_period"]) >= GRACE_S + SLACK_S


def test_the_gpu_file_removes_no_protection() -> None:
    worker = services(FILES[1])["worker"]
    assert not PROTECTIONS & worker.keys()
