"""The shipped users may run every command that the code sends to a broker."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from redis.commands.core import CoreCommands

from tests.support.processes.fleet import ROOT

USERS = ROOT / "deploy/redis/users.acl"
#: The names of clients and pipelines in the code.
CLIENTS = {"client", "_client", "pipe"}
#: By method of redis-py, where the names differ.
COMMANDS = {"delete": "del", "scan_iter": "scan", "register_script": "script|load"}
#: Sent only to the embedded server, which has no users.
EMBEDDED = {"client_list"}


def test_each_command_of_the_code_is_granted_to_a_user() -> None:
    granted = {word[1:] for word in USERS.read_text().split() if word.startswith("+")}
    sent = {COMMANDS.get(method, method) for method in methods()} - EMBEDDED
    assert len(sent) > 20
    assert sent - granted == set()


def methods() -> Iterator[str]:
    """The methods of Redis clients that the product calls."""
    for part in ("producer", "shared", "worker"):
        for path in (ROOT / part).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(func=ast.Attribute(value=receiver, attr=method)):
                        name = getattr(receiver, "id", getattr(receiver, "attr", ""))
                        if name in CLIENTS and hasattr(CoreCommands, method):
                            yield method
