"""Servers with access control: ACL users, passwords, TLS."""

from __future__ import annotations

import datetime
import socket
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import redis
import trustme
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.processes.fleet import ROOT
from tests.support.servers.redis_server import RedisServer

MAKE_USERS = ROOT / "deploy/redis/make-users.sh"
ADMIN, ADMIN_PASSWORD = "admin", "of-the-test-itself"
#: The parts that load scripts, and all parts.
SCRIPTED = ("producer", "worker")
PARTS = (*SCRIPTED, "monitor")
_PORTS_TRIED = 5


class Users:
    """The shipped users with passwords of this test, and an administrator for the test."""

    def __init__(self, folder: Path, administered: bool = False) -> None:
        if administered:
            (folder / "admin.password").write_text(ADMIN_PASSWORD)
        subprocess.run([MAKE_USERS, folder], check=True, capture_output=True)
        self.folder, self.file = folder, folder / "users.acl"
        with self.file.open("a") as file:
            file.write(f"user {ADMIN} on >{ADMIN_PASSWORD} ~* &* +@all\n")

    def settings(self, part: str) -> dict[str, str]:
        """The environment variables with which a process connects as this part."""
        return {
            "HANGTAG_REDIS_USER": f"hangtag-{part}",
            "HANGTAG_REDIS_PASSWORD_FILE": str(self.folder / f"{part}.password"),
        }

    def password(self, part: str) -> str:
        return (self.folder / f"{part}.password").read_text().strip()


class GuardedServer(RedisServer):
    """A server that accepts no client without a password; the test is `admin`."""

    def __init__(self, binary: Path, users: Users, *arguments: str) -> None:
        super().__init__(binary, "--aclfile", str(users.file), *arguments)
        self.users = users

    @property
    def client(self) -> redis.Redis:
        if self._client is None:
            self._client = self.user(ADMIN, ADMIN_PASSWORD)
        return self._client

    def of(self, part: str, db: int = 0) -> redis.Redis:
        """A client with the rights of one part."""
        return self.user(f"hangtag-{part}", self.users.password(part), db)

    def user(self, name: str, password: str, db: int = 0) -> redis.Redis:
        """A client of this user."""
        who: dict[str, Any] = {"username": name, "password": password} if name else {}
        path, never = str(self.socket), Retry(NoBackoff(), 0)
        return redis.Redis(unix_socket_path=path, db=db, retry=never, **who)

    def denied(self) -> list[str]:
        """The denied accesses since the start: user, reason and object."""
        entries = self.client.acl_log()
        return [f"{entry['username']}: {entry['reason']} {entry['object']}" for entry in entries]


def acl_setuser(server: GuardedServer, name: str, password: str) -> None:
    """Add a password to a user, whose rights stay."""
    server.client.execute_command(  # type: ignore[no-untyped-call]
        "ACL", "SETUSER", name, f">{password}"
    )


class Certificate(NamedTuple):
    """The files of a server's certificate, its key, and the authority that signed it."""

    cert: Path
    key: Path
    ca: Path


def certificate(
    folder: Path, *hosts: str, days: int = 1, authority: trustme.CA | None = None
) -> Certificate:
    """A certificate for these hosts that expires in `days`; a negative number is in the past."""
    folder.mkdir(parents=True)
    authority = authority or trustme.CA()
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days)
    issued = authority.issue_cert(*hosts, not_before=end - datetime.timedelta(30), not_after=end)
    made = Certificate(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
    issued.cert_chain_pems[0].write_to_path(made.cert)
    issued.private_key_pem.write_to_path(made.key)
    authority.cert_pem.write_to_path(made.ca)
    return made


def tls_server(binary: Path, made: Certificate, *arguments: str) -> tuple[RedisServer, int]:
    """A running server with TLS at a port of 127.0.0.1, beside its socket."""
    for last in (False,) * (_PORTS_TRIED - 1) + (True,):
        port = free_port()
        server = RedisServer(
            binary,
            *("--tls-port", str(port), "--bind", "127.0.0.1", "--tls-auth-clients", "no"),
            *("--tls-cert-file", str(made.cert), "--tls-key-file", str(made.key)),
            *("--tls-ca-cert-file", str(made.ca)),
            *arguments,
        )
        try:
            server.start()
            return server, port
        except RuntimeError:  # another process has taken the port meanwhile
            server.close()
            if last:
                raise
    raise AssertionError


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
