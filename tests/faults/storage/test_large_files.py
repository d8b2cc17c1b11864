"""Files that exceed the server's memory: one row each, and the job continues on any server."""

from __future__ import annotations

import json
import shutil
import struct
import time
from pathlib import Path

import pytest

from shared.errors import Exit
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import PRODUCT_PROGRAM

FILE_SHARE_MAX = 0.25
MAX_FILE_BYTES = 64 << 20
MIB = 1 << 20
SERVER_BYTES = 64 * MIB
SMALL = 60
LARGE_BYTES = 50 * MIB
#: Small messages: several come before the large file and several after it.
FEW = {"HANGTAG_BATCH_IMAGES": "4"}
#: It polls in each turn, as where a poll takes longer than the time until the next one.
POLLING_PROGRAM = ("tests.faults.apps.failpoint_producer",)
#: A client waits 15 s for a reply: a command that ends sooner did not wait.
SOON_S = 10.0


@pytest.fixture
def folder(stage: Scenario, tmp_path: Path) -> Path:
    """60 small images, and one of 50 MB in the middle."""
    images = tmp_path / "pictures"
    images.mkdir()
    for number, path in enumerate(stage.gallery.paths[:SMALL]):
        shutil.copy(stage.gallery.cwd / path, images / f"{number:02}.png")
    bitmap(images / f"{SMALL // 2 - 1:02}x.bmp", LARGE_BYTES)
    return tmp_path


def bitmap(path: Path, size: int) -> None:
    """Write an RGB bitmap of about `size` bytes as a sparse file."""
    width = 4_000  # a row needs no padding
    height = size // (3 * width)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    with path.open("wb") as file:
        file.write(struct.pack("<2sIHHI", b"BM", 54 + 3 * width * height, 0, 0, 54) + info)
        file.truncate(54 + 3 * width * height)


def test_a_file_too_large_for_the_server_is_a_row_and_the_job_continues(
    stage: Scenario, folder: Path
) -> None:
    stage.fleet.server.limit_memory(SERVER_BYTES)
    worker = stage.fleet.worker()
    output = folder / "out.csv"
    command = ("classify", "pictures", "-o", str(output))
    producer = stage.fleet.producer(*command, cwd=folder, **FEW)
    assert producer.wait() == Exit.SOME_FAILED, producer.story
    assert "files above 16 MiB are too_large" in producer.log
    table = output.read_bytes()
    assert table.count(b",too_large,") == 1
    assert table.count(b",ok,") == SMALL
    # Started with this server, and resumed with a server without a limit.
    before = stage.fleet.producer(*command, "--restart", cwd=folder, **FEW)
    held = stage.catch_unfinished(before, worker)  # the job stays open
    before.wait_until_done(4)
    before.kill()
    stage.let_go(held)
    stage.fleet.server.limit_memory(0)
    after = stage.fleet.producer(*command, cwd=folder, **FEW)
    assert after.wait() == Exit.SOME_FAILED, after.story
    assert output.read_bytes() == table
    verified = stage.fleet.producer("verify", str(output), "--deep", cwd=folder)
    assert verified.wait() == Exit.OK, verified.story
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize(
    ("transport", "program"),
    [("inline", PRODUCT_PROGRAM), ("path", PRODUCT_PROGRAM), ("inline", POLLING_PROGRAM)],
    ids=["inline", "path", "slow-polls"],
)
def test_a_job_started_with_a_larger_server_keeps_its_limit(
    stage: Scenario, folder: Path, transport: str, program: tuple[str, ...]
) -> None:
    """The small files are done; the large one waits, and one line gives the reason."""
    output = folder / "out.csv"
    command = ("classify", "pictures", "-o", str(output), "--transport", transport, "--json")
    first = stage.fleet.producer(*command, cwd=folder, **FEW)
    first.wait_until_sent()
    first.kill()
    stage.fleet.client.flushall()
    stage.fleet.server.limit_memory(SERVER_BYTES)
    worker = stage.fleet.worker()
    second = stage.fleet.producer(*command, cwd=folder, program=program, **FEW)
    second.wait_for_log("larger files may wait until maxmemory is raised")
    second.wait_until_done(SMALL)
    started = time.monotonic()
    assert second.interrupt() == Exit.INTERRUPTED, second.story
    assert time.monotonic() - started < SOON_S
    stage.fleet.server.limit_memory(int(LARGE_BYTES / FILE_SHARE_MAX))
    third = stage.fleet.producer(*command, cwd=folder, **FEW)
    assert third.wait() == Exit.OK, third.story
    assert output.read_bytes().count(b",ok,") == SMALL + 1
    assert json.loads(third.out)["max_file_bytes"] == MAX_FILE_BYTES
    stage.check_nothing_runs(worker)
