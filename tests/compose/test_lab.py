"""The lab restores a machine's network after its engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes.fleet import ROOT

#: In a separate network namespace: an engine's leftovers, beside another program's rules.
_SCRIPT = """
import sys
from pathlib import Path
from tests.compose.lab import network
from subprocess import run

def rules(*lines):
    for line in lines:
        run(["iptables", "-w", *line.split()], check=True)

def state():
    tables = [network._saved("iptables", t) for t in ("filter", "nat")]
    return tables, network._bridges(), network._read("ipv4/ip_forward")

file = Path(sys.argv[1])
Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
rules("-A FORWARD -s 192.0.2.1 -j DROP", "-t nat -A POSTROUTING -s 192.0.2.1 -j MASQUERADE")
before = state()
network.record(file)
assert network._read("ipv4/ip_forward") == "1"
run(["ip", "link", "add", "docker0", "type", "bridge"], check=True)
run(["ip", "link", "add", "br0", "type", "bridge"], check=True)
rules(
    "-N DOCKER", "-N DOCKER-USER", "-A DOCKER-USER -j RETURN", "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -o docker0 -j DOCKER", "-t nat -N DOCKER", "-t nat -A OUTPUT -j DOCKER",
    "-t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
    "-A FORWARD -s 192.0.2.2 -j DROP",
)
network.record(file)  # the engine was killed and is started again
network.restore(file)
(filtered, nat), bridges, forward = state()
filtered.remove("-A FORWARD -s 192.0.2.2/32 -j DROP")
bridges.remove("br0")
assert ((sorted(filtered), sorted(nat)), bridges, forward) == (
    (sorted(before[0][0]), sorted(before[0][1])), *before[1:]
), (before, filtered, nat, bridges, forward)
assert not file.exists()
"""


@pytest.mark.root
def test_an_engines_rules_are_removed_and_no_others(tmp_path: Path) -> None:
    command = ["unshare", "--net", sys.executable, "-c", _SCRIPT, str(tmp_path / "before")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
