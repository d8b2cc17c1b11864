"""The shipped users may run every command that their part of the code sends to a broker."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from redis.commands.core import CoreCommands

from tests.support.processes.fleet import ROOT

USERS = ROOT / "deploy/redis/users.acl"
USERS_OF = {
    "producer": {"producer", "monitor"},
    "worker": {"worker", "trainer"},
    "shared": {"producer", "monitor", "worker", "trainer"},
}
#: By folder of scripts in shared/ledger/lua.
USERS_OF_SCRIPTS = {"batch": {"producer", "worker"}}
CALL = re.compile(r"redis\.p?call\('([A-Z]+)'")
#: The names of clients and pipelines in the code.
CLIENTS = {"client", "_client", "pipe"}
#: By method of redis-py, where the names differ.
COMMANDS = {"delete": "del", "scan_iter": "scan", "register_script": "script|load"}
#: Sent only to the embedded server, which has no users.
EMBEDDED = {"client_list"}


@pytest.mark.parametrize(("part", "users"), USERS_OF.items())
def test_each_command_of_the_code_is_granted_to_a_user_of_its_part(
    part: str, users: set[str]
) -> None:
    sent = {COMMANDS.get(method, method) for method in methods(part)} - EMBEDDED
    assert sent
    assert sent - set(granted(users)) == set()


@pytest.mark.parametrize(("scripts", "users"), USERS_OF_SCRIPTS.items())
def test_each_command_of_a_script_is_granted_to_a_user_that_runs_it(
    scripts: str, users: set[str]
) -> None:
    paths = (ROOT / "shared/ledger/lua" / scripts).glob("*.lua")
    sent = {name.lower() for path in paths for name in CALL.findall(path.read_text())}
    assert sent
    lacks = sent - set(granted(users))
    assert not lacks, f"allow {' '.join(sorted(lacks))} in {USERS.relative_to(ROOT)}"


def granted(users: set[str]) -> Iterator[str]:
    """The commands that one of the users may run, on some keys at least."""
    for line in USERS.read_text().splitlines():
        kind, name, *rules = line.split() or ("", "")
        if kind == "user" and name.removeprefix("hangtag-") in users:
            yield from (rule[1:] for rule in rules if rule.startswith("+"))


def methods(part: str) -> Iterator[str]:
    """The methods of Redis clients that a part of the product calls."""
    for path in (ROOT / part).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=receiver, attr=method)):
                    name = getattr(receiver, "id", getattr(receiver, "attr", ""))
                    if name in CLIENTS and hasattr(CoreCommands, method):
                        yield method
