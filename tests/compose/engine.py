"""docker-compose.yml on a real engine, in a separate project, with the commands of a user."""

from __future__ import annotations

import hashlib
import os
import pty
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import redis

from tests.support.processes.fleet import ROOT

#: The same for each run of a checkout, so that a run removes the leftovers of an earlier one.
PROJECT = "hangtag-test-" + hashlib.sha256(bytes(ROOT)).hexdigest()[:8]
#: Slow enough that faults meet a job in progress.
CPUS = "0.2"
LIMIT_S = 600.0
#: The engine's message if its own process fails before the command runs.
NOT_STARTED = "OCI runtime exec failed"


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without any settings of Hangtag but these."""
    others = {n: v for n, v in os.environ.items() if not n.startswith(("HANGTAG_", "COMPOSE_"))}
    return others | settings


def engine_runs() -> bool:
    """Whether there is an engine with the compose plugin."""
    if shutil.which("docker") is None:
        return False
    commands = (["docker", "compose", "version"], ["docker", "info"])
    return all(subprocess.run(command, capture_output=True).returncode == 0 for command in commands)


class DockerFails(AssertionError):
    """A docker command ended with an error."""


def docker(*arguments: str, check: bool = True) -> str:
    """Standard output of a docker command. With `check`, raises DockerFails if it fails."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=LIMIT_S, env=environment()
    )
    if check and done.returncode:
        raise DockerFails(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


class Terminal:
    """A command at a pseudo-terminal, which accepts Ctrl-C."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._keyboard, screen = pty.openpty()
        self._output = bytearray()
        self._process = subprocess.Popen(
            command, env=env, stdin=screen, stdout=screen, stderr=screen
        )
        os.close(screen)
        threading.Thread(target=self._read, daemon=True).start()

    def press_ctrl_c(self) -> None:
        """Send the key, not the signal: the container's terminal converts it to SIGINT."""
        os.write(self._keyboard, b"\x03")

    def end(self) -> tuple[int, str]:
        """Exit code and output."""
        return self._process.wait(LIMIT_S), self._output.decode(errors="replace")

    def _read(self) -> None:
        with suppress(OSError):  # the terminal closes with the command
            while chunk := os.read(self._keyboard, 4096):
                self._output += chunk


class Compose:
    """The project. `folder` has its secrets and its .env, created by the user's script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = folder / "secrets"
        self._started: list[subprocess.Popen[str]] = []
        self._env = environment(
            HANGTAG_REDIS_PORT="0", HANGTAG_METRICS_PORT="0",
            HANGTAG_WORKER_CPUS=CPUS, HANGTAG_DATA=str(folder / "data"),
        )  # fmt: skip
        subprocess.run([ROOT / "deploy/make-secrets.sh", folder], check=True, capture_output=True)

    def command(self, *arguments: str) -> list[str]:
        """The command line of `docker compose ARGUMENTS`."""
        file, env_file = str(ROOT / "docker-compose.yml"), str(self.folder / ".env")
        return ["docker", "compose", "-p", PROJECT, "-f", file, "--env-file", env_file, *arguments]

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Start a command."""
        process = subprocess.Popen(
            self.command(*arguments), env=self._env | settings, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._started.append(process)
        return process

    def type(self, *arguments: str) -> Terminal:
        """Start a command at a terminal."""
        return Terminal(self.command(*arguments), self._env)

    def run(self, *arguments: str, code: int = 0, **settings: str) -> str:
        """Both outputs of a command. Raises AssertionError for another exit code."""
        return ended(self.start(*arguments, **settings), code)

    def execute(self, service: str, *command: str) -> str:
        """Both outputs of a command in a service's container.

        Raises AssertionError, with the container's state and last messages, if the command fails.
        A failure of the engine to start the command is retried once, unless the container has
        ended or restarted.
        """
        before = self._state(service)
        process = self.start("exec", "-T", service, *command)
        out, error = process.communicate(timeout=LIMIT_S)
        if NOT_STARTED in out + error and self._state(service) == before:
            log(f"started a second time in {service}: {(out + error).strip()}")
            return self.run("exec", "-T", service, *command)
        if process.returncode:
            state = f"before: {before}\nafter: {self._state(service)}"
            logs = self.run("logs", "--tail", "20", service)
            raise AssertionError(f"{process.args!r}\n{out}{error}\n{state}\n{logs}")
        return out + error

    def _state(self, service: str) -> str:
        """Start, status, exit code and number of restarts of each of a service's containers."""
        fields = ("Id", "State.StartedAt", "State.Status", "State.ExitCode", "RestartCount")
        shown = " ".join(f"{{{{.{field}}}}}" for field in fields)
        return docker("inspect", "-f", shown, *self.run("ps", "-aq", service).split())

    def scale(self, workers: int) -> None:
        """Scale to this number of workers, and wait until all services are healthy."""
        self.run("up", "-d", "--wait", "--no-recreate", "--scale", f"worker={workers}")
        assert len(self.containers("worker")) == workers

    def producer(
        self, *arguments: str, options: Sequence[str] = ("-T",), **mounts: Path
    ) -> list[str]:
        """The arguments of a producer's run; each folder is mounted at /NAME, `out` writable."""
        mode = {"out": "rw"}
        volumes = [f"{path}:/{name}:{mode.get(name, 'ro')}" for name, path in mounts.items()]
        mounted = [part for volume in volumes for part in ("-v", volume)]
        return ["run", "--rm", *options, *mounted, "producer", *arguments]

    def containers(self, service: str) -> list[str]:
        """The ids of a service's running containers."""
        return self.run("ps", "-q", "--no-trunc", service).split()

    def image(self, service: str) -> str:
        """The name of the image built for a service."""
        return f"{PROJECT}-{service}"

    @property
    def port(self) -> int:
        """The published port of Redis, which changes with each start."""
        return int(self.run("port", "redis", "6379").rpartition(":")[2])

    def client(self) -> redis.Redis:
        """A Redis client as the producer's user, over the published port."""
        password = (self.secrets / "producer.password").read_text().strip()
        return redis.Redis(port=self.port, username="hangtag-producer", password=password)

    def down(self) -> None:
        """Remove everything of this project, and nothing else."""
        for one in self._started:  # a failed test may have left it running
            with one:
                one.kill()
        every = ("--profile", "*")
        self.run(*every, "down", "-v", "--remove-orphans", "--rmi", "local", "--timeout", "5")


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """Both outputs of a command that ends with this exit code. Raises AssertionError otherwise."""
    out, error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == code, f"{process.args!r} -> {process.returncode}\n{out}{error}"
    return out + error


def log(what: str, since: float | None = None) -> None:
    """Print a progress line, with the seconds since `since`."""
    print(f"compose: {what}" + (f", {time.monotonic() - since:.1f} s" if since else ""), flush=True)
