"""The contents of the images and the rights of containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compose.engine import Compose, docker, log

BUILT = ("producer", "worker", "trainer", "metrics")
RUNNING = ("redis", "worker", "trainer", "metrics")
HEAVY = ("tensorflow", "keras", "matplotlib")
FIND = "import importlib.util as u; print(*[n for n in {} if u.find_spec(n)])"


@pytest.fixture(scope="module")
def running(compose: Compose) -> Iterator[Compose]:
    """Every service but the producer."""
    compose.run("--profile", "monitor", "up", "-d", "--wait", "--no-recreate")
    yield compose
    compose.run("--profile", "monitor", "rm", "--stop", "--force", "metrics")


def inside(image: str, *command: str) -> str:
    """The output of a command in a new container of an image, as root and without a network."""
    entry, *arguments = command
    options = ("--rm", "--user", "0", "--network", "none", "--entrypoint", entry)
    return docker("run", *options, image, *arguments)


@pytest.mark.parametrize("service", ["producer", "worker"])
def test_producer_and_worker_have_no_tensorflow(compose: Compose, service: str) -> None:
    assert inside(compose.image(service), "python", "-c", FIND.format(HEAVY)) == ""


def test_the_trainer_has_tensorflow(compose: Compose) -> None:
    found = inside(compose.image("trainer"), "python", "-c", FIND.format(HEAVY))
    assert found.split() == list(HEAVY)


@pytest.mark.parametrize("service", BUILT)
def test_an_image_is_small(compose: Compose, service: str) -> None:
    image = compose.image(service)
    size = int(docker("image", "inspect", "-f", "{{.Size}}", image)) / 1e6
    base = int(docker("image", "inspect", "-f", "{{.Size}}", "python:3.13-slim")) / 1e6
    log(f"the image of {service}: {size:,.0f} MB, of which its base {base:,.0f}")
    assert size - base < {"producer": 70, "metrics": 80, "worker": 250, "trainer": 3000}[service]
    tools = "for t in gcc cc g++ make git; do command -v $t; done; find / -xdev -path '*/pip/*.whl'"
    assert inside(image, "sh", "-c", f"{tools}; ls -A /root/.cache 2>/dev/null; true") == ""


@pytest.mark.parametrize("service", BUILT)
def test_an_image_has_no_secret(compose: Compose, service: str) -> None:
    image = compose.image(service)
    secrets = [file.read_text().strip() for file in compose.secrets.glob("*.password")]
    known = docker("image", "inspect", image) + docker("history", "--no-trunc", image)
    assert len(secrets) == 4
    assert not any(secret in known for secret in secrets)
    names = "-name '.env' -o -name '*.password' -o -name 'users.acl' -o -name '.git'"
    assert inside(image, "sh", "-c", f"find / -xdev {names}") == ""


@pytest.mark.parametrize("service", RUNNING)
def test_no_password_is_in_a_containers_environment_or_command(
    running: Compose, service: str
) -> None:
    known = docker("inspect", *running.containers(service))
    for file in running.secrets.glob("*.password"):
        assert file.read_text().strip() not in known


@pytest.mark.parametrize("service", RUNNING)
def test_a_service_runs_as_an_ordinary_user_without_write_access(
    running: Compose, service: str
) -> None:
    def output(script: str) -> str:
        return running.execute(service, "sh", "-c", f"{script} 2>&1; true")

    assert int(output("id -u")) > 0
    # A writable root would report "Permission denied" to this user.
    assert "Read-only file system" in output("touch /new")
    status = output("cat /proc/1/status").split("\n")
    assert {"CapBnd:\t0000000000000000", "NoNewPrivs:\t1"} <= set(status)


def test_a_worker_has_no_default_route(compose: Compose) -> None:
    routes = compose.execute("worker", "cat", "/proc/net/route").splitlines()[1:]
    assert routes
    assert not [route for route in routes if route.split()[1] == "00000000"]


@pytest.mark.parametrize("service", ["worker", "trainer"])
def test_a_service_reports_its_health(compose: Compose, service: str) -> None:
    for options in (["--ready"], []):
        output = compose.execute(service, "python", "-m", "worker.health", *options)
        assert output == "healthy\n"
