"""Undoes dockerd's changes of this machine's network, which remain when it stops."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

_SYS = Path("/proc/sys/net")
_FORWARD = "ipv4/ip_forward"
_SYSCTLS = (_FORWARD, "bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables")
_TABLES = [
    (program, table)
    for program in ("iptables", "ip6tables")
    for table in ("filter", "nat", "mangle", "raw")
]
#: A rule or chain of an engine contains the name of one of its chains or bridges.
_DOCKERS = re.compile(r"\bDOCKER|\bdocker0\b|\bbr-[0-9a-f]{12}\b")


class Before(msgspec.Struct):
    """The state before the engine's start."""

    sysctls: dict[str, str]
    links: list[str]
    rules: dict[str, list[str]]


def record(file: Path) -> None:
    """Record the state, unless a killed engine has left an older record.

    This enables forwarding: a dockerd that enables it drops the packets of all other bridges.
    """
    if not file.exists():
        sysctls = {name: _read(name) for name in _SYSCTLS if (_SYS / name).exists()}
        rules = {f"{program} {table}": _saved(program, table) for program, table in _TABLES}
        file.write_bytes(msgspec.json.encode(Before(sysctls, _bridges(), rules)))
    (_SYS / _FORWARD).write_text("1")


def restore(file: Path) -> None:
    """Remove the engine's rules, chains and bridges; restore the settings; delete the record.

    Rules and links that other programs have added meanwhile stay.
    """
    before = msgspec.json.decode(file.read_bytes(), type=Before)
    for program, table in _TABLES:
        known = set(before.rules[f"{program} {table}"])
        added = [line for line in _saved(program, table) if line not in known]
        for command in _removals([line for line in added if _DOCKERS.search(line)]):
            subprocess.run([program, "-w", "-t", table, *command], capture_output=True, check=True)
    for name in _bridges():
        if name not in before.links and _DOCKERS.search(name):
            subprocess.run(["ip", "link", "delete", name], check=True)
    for name, value in before.sysctls.items():
        if _read(name) != value:
            (_SYS / name).write_text(value)
    file.unlink()


def _removals(added: list[str]) -> Iterator[list[str]]:
    """The commands that remove these lines of iptables-save: rules first, then chains."""
    for line in added:
        if line.startswith("-A "):
            yield ["-D", *shlex.split(line)[1:]]
    for line in added:
        if line.startswith(":"):
            yield ["-X", line[1:].split()[0]]


def _saved(program: str, table: str) -> list[str]:
    """The chains and rules of a table; none if the kernel does not have it."""
    if shutil.which(f"{program}-save") is None:
        return []
    done = subprocess.run([f"{program}-save", "-t", table], capture_output=True, text=True)
    lines = [re.sub(r" \[\d+:\d+\]$", "", line) for line in done.stdout.splitlines()]
    return [line for line in lines if line.startswith((":", "-A "))]


def _bridges() -> list[str]:
    output = subprocess.run(
        ["ip", "-o", "link", "show", "type", "bridge"], capture_output=True, text=True, check=True
    ).stdout
    return [line.split(": ")[1] for line in output.splitlines()]


def _read(name: str) -> str:
    return (_SYS / name).read_text().strip()
