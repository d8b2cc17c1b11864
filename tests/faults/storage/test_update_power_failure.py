"""A power failure during `classify --update` leaves the old table or the new one: what replaces it
is durable before the journal is renamed, and no log of SQLite's can come back beside the other one.

The update runs unchanged under strace; `tests/support/durability/disk_model.py` computes what would
be lost at each moment.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.durability import syscall_trace
from tests.support.durability.disk_model import Disk
from tests.support.durability.syscall_trace import Call
from tests.support.processes.fleet import ROOT
from tests.unit.run.killed import Stage

#: No model is loaded.
pytestmark = pytest.mark.shipped_model

COMMAND = """
import sys
from pathlib import Path
from tests.support.jobs.finished_job import options_of
from tests.support.jobs.updated_job import update
update(options_of(Path(sys.argv[1]), b"in"))
"""


def test_what_replaces_a_table_is_durable_before_it_does(tmp_path: Path) -> None:
    stage, trace = Stage(tmp_path), tmp_path / "trace"
    disk, seen = Disk(stage.folder), list[str]()
    subprocess.run(
        [*syscall_trace.command(trace), sys.executable, "-c", COMMAND, str(stage.folder)],
        cwd=ROOT,
        check=True,
    )
    for call in syscall_trace.calls(trace):
        check(call, disk, seen, stage.table)
        disk.apply(call)
    assert seen == ["journal", "table"]
    assert disk.at_risk == set()
    assert stage.table.read_bytes() == stage.new


def check(call: Call, disk: Disk, seen: list[str], table: Path) -> None:
    if not call.name.startswith("rename"):
        return
    target = os.fsdecode(call.strings[-1])
    if target == f"{table}.hangtag":
        seen.append("journal")
        assert disk.at_risk == set(), "the next table may be lost"
        assert not [path for path in disk.removed if path.endswith("-wal")], "a log may come back"
    elif target == str(table):
        seen.append("table")
        assert disk.at_risk == set(), "the journal, or a decision, may be lost"
