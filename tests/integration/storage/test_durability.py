"""Promises survive a power failure: the order of writes, syncs, renames and messages.

The commands run unchanged under strace; `tests/support/durability/disk_model.py` computes what
would be lost at each moment.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from shared.atomic_file import DRAFT_SUFFIX
from shared.errors import Exit
from tests.support.durability import redis_trace, syscall_trace
from tests.support.durability.disk_model import Disk
from tests.support.durability.syscall_trace import Call
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER
from tests.support.processes.fleet import ROOT, SHORT_TIMES, Fleet
from tests.support.servers.redis_server import RedisServer

BATCH_IMAGES = 4
IMAGES = 3 * BATCH_IMAGES
CARD, FILE, LOG = "/card.json", "/model.keras", "/aliases.log"
#: Publishes two versions of one model and stores a request.
PUBLISH = """
import msgspec
from shared.ledger.request_store import RequestFolder
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.messages.requests import Remove, Request
from shared.settings import Settings

store = Settings.from_env().store_path
card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
for n in range(2):
    Registry(store).publish(card, {"model.tflite": b"one", "model.keras": b"two"})
RequestFolder(store, "tidy").submit(Request("tidy", Remove("shoes", keep=3), "", 1.0), b"input")
"""


def job_events(trace: Path, disk: Disk, batches: list[bytes]) -> dict[str, int]:
    """Check each message to Redis that implies a promise; return the number of each."""
    calls = syscall_trace.calls(trace)
    sent, results = redis_trace.commands(calls), redis_trace.results(calls)
    seen = {"payload": 0, "trim": 0, "leave": 0}
    for number, call in enumerate(calls):
        for name, *words in sent.get(number, ()):
            if name == b"HSET" and words[0].endswith(b":payload"):
                seen["payload"] += 1
                assert disk.holds(batches[int(words[1])], "-wal"), "sent before it was frozen"
                assert _promised(disk.at_risk) == set()
            elif name == b"XDEL":
                seen["trim"] += len(words) - 1
                assert all(disk.holds(results[entry], "-wal") for entry in words[1:])
                assert _promised(disk.at_risk) == set()
            elif name == b"DEL" and any(word.endswith(b":record") for word in words):
                seen["leave"] += 1
                assert disk.holds(b"path,label,", "out.csv")
                assert disk.at_risk == set()
        disk.apply(call)
    assert disk.at_risk == set()
    return seen


def _promised(files: set[str]) -> set[str]:
    """Those whose loss would break a promise: no process reads a draft that another has left."""
    return {path for path in files if not path.endswith(DRAFT_SUFFIX)}


def test_a_job_promises_nothing_that_a_power_failure_would_undo(
    server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is frozen before its payload is sent, a result is stored before it is deleted from
    the stream, and the table is renamed into place before the job's keys are deleted."""
    images = gallery.make(tmp_path, IMAGES)
    names = [path.encode() for path in images.paths]
    batches = [b"\0".join(names[i : i + BATCH_IMAGES]) for i in range(0, IMAGES, BATCH_IMAGES)]
    out, trace = tmp_path / "out/out.csv", tmp_path / "trace"
    out.parent.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Fleet(server, **{**SHORT_TIMES, "HANGTAG_BATCH_IMAGES": str(BATCH_IMAGES)}) as fleet:
        prefix = syscall_trace.command(trace)
        fleet.worker(1)
        with fleet.at(lambda cwd: prefix, {}):
            job = fleet.producer("classify", FOLDER, "-o", str(out), cwd=tmp_path)
        assert job.wait() == Exit.OK, job.story
    assert out.read_bytes() == images.table
    disk = Disk(out.parent, tmp_path / "state")
    assert job_events(trace, disk, batches) == {"payload": 3, "trim": 3, "leave": 1}


def check_store(disk: Disk, call: Call) -> str:
    """Check what must be durable before this call; return the kind of call, or an empty string."""
    path = os.fsdecode(call.strings[-1]) if call.strings else ""
    if call.name.startswith("rename") and path.endswith(CARD):
        assert disk.at_risk == set(), "a version appears before its files"
        return "version"
    if call.name == "write" and call.path.endswith(LOG):
        assert disk.at_risk <= {call.path}, "an alias stands for a version that may be lost"
        return "alias"
    if call.name.startswith("unlink") and path.endswith(FILE):
        assert not [gone for gone in disk.removed if gone.endswith(CARD)], "half a version"
        return "removal"
    return ""


def test_the_store_promises_nothing_that_a_power_failure_would_undo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions appear complete, aliases name durable versions, and the effect of a command is
    durable when it ends."""
    disk = Disk(tmp_path / "all")
    monkeypatch.setenv("HANGTAG_STORE", str(tmp_path / "all/data/models"))
    (tmp_path / "all").mkdir()
    trace, seen = tmp_path / "trace", Counter[str]()
    for arguments in (
        ("-c", PUBLISH),
        ("-m", "producer.cli", "models", "promote", "shoes@2"),
        ("-m", "producer.cli", "models", "promote", "fashion-mnist@0", "--alias", "mine"),
        ("-m", "producer.cli", "models", "rollback", "shoes"),
        ("-m", "producer.cli", "models", "prune", "shoes", "--keep", "0", "--yes"),
    ):
        command = [*syscall_trace.command(trace), sys.executable, *arguments]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        for call in syscall_trace.calls(trace):
            seen[check_store(disk, call)] += 1
            disk.apply(call)
        assert disk.at_risk == set(), arguments
    assert (seen["version"], seen["alias"], seen["removal"]) == (2, 4, 1)
    assert disk.holds(b"tidy", "/request.json")
