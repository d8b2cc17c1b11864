"""Whole jobs of archives: the labels of their folder, through kills, lost data and damage."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from producer.table.verify import verify
from shared.errors import Exit
from shared.image_status import Status
from tests.support.archives.archive_writers import ENDINGS, write
from tests.support.archives.hostile_archives import made
from tests.support.failpoints.armed import Points, Shot
from tests.support.images import shapes
from tests.support.jobs import expected_table
from tests.support.processes import in_process
from tests.support.processes.fleet import SHORT_TIMES, Fleet
from tests.support.servers.redis_server import RedisServer

PROGRAM = ("tests.faults.apps.failpoint_producer",)
#: Where the producers of one job are killed, one after the other: each gets some batches further.
KILLS = (
    Shot("journal.committing", 1),
    Shot("journal.committed", 4),
    Shot("hint.sent", 5),
    Shot("journal.committed", 6),
    Shot("table.written", 1),
)
SMALL = {"batch_images": "8"}
KINDS = ("circle", "square", "Bag")


@pytest.fixture(scope="module")
def fleet(server_binary: Path) -> Iterator[Fleet]:
    with RedisServer(server_binary) as server, Fleet(server, **SHORT_TIMES) as running:
        running.worker()
        yield running


@pytest.fixture(scope="module")
def images() -> dict[str, bytes]:
    drawn = {
        f"{kind}/{seed:02}.png": shapes.encoded(shapes.draw("circle", 9 * seed + number), "PNG")
        for number, kind in enumerate(KINDS)
        for seed in range(16)
    }
    return drawn | {"notes.txt": b"text", "bad.png": b"no image"}


@pytest.fixture
def roots(tmp_path: Path, images: dict[str, bytes]) -> list[str]:
    """A folder and an archive of each kind, with the same files."""
    for name, data in images.items():
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(data)
    archives = [write(tmp_path / f"photos{ending}", images).name for ending in ENDINGS]
    return [*reversed(archives), "photos"]


def oracle(folder: Path, roots: list[str], images: dict[str, bytes]) -> bytes:
    """The table of a plain loop."""
    names = [name for name in images if not name.endswith(".txt")]
    rows = [
        (f"{root}/{name}", images[name])
        for root in roots
        for name in (names if root.endswith(".gz") else sorted(names))
    ]
    paths, files = zip(*rows, strict=True)
    return expected_table.table(folder, paths, files=files)


def test_a_job_of_folders_and_archives_survives_each_kill_and_a_server_that_loses_its_data(
    fleet: Fleet, tmp_path: Path, roots: list[str], images: dict[str, bytes]
) -> None:
    points, table = Points(tmp_path / "points"), tmp_path / "out.csv"
    command = ("classify", *roots, "-o", str(table))
    for number, shot in enumerate(KILLS):
        points.arm(shot)
        producer = fleet.producer(
            *command, cwd=tmp_path, program=PROGRAM, **points.settings, **SMALL
        )
        assert producer.wait() == -signal.SIGKILL, producer.story
        if number == 2:
            fleet.server.client.flushall()
    points.disarm()
    done = in_process.run(fleet, *command, "--json", cwd=tmp_path)
    assert done.code == Exit.SOME_FAILED, done.story
    assert msgspec.json.decode(done.out)["answers"]["in_label_folders"] == 4 * 16
    assert table.read_bytes() == oracle(tmp_path, roots, images)
    proof = verify(table, deep=True)
    assert proof.proven, proof.problems
    assert proof.skipped == {".txt": 4}


#: The statuses of an archive's rows, in order: `ok`, `unreadable`.
DAMAGED = {
    "a zip with odd names": "uuuou",
    "a zip with an encrypted member": "uo",
    "a zip with a damaged directory": "o",
    "a zip with a member larger than it claims": "uo",
    "a zip whose members share their data": "uuu",
    "a tar.gz that is cut off": "ou",
    "a tar with 5,000 names for one member": "o",
    "a tar.gz with a name three times": "ouu",
}


def test_damaged_and_hostile_archives_are_rows_with_a_reason_beside_good_ones(
    fleet: Fleet, tmp_path: Path, images: dict[str, bytes]
) -> None:
    image, roots, contents = images["Bag/01.png"], list[str](), list[bytes | Status]()
    for number, (name, rows) in enumerate(DAMAGED.items()):
        data = made(name, image)
        ending = ".zip" if data[:2] == b"PK" else ".tar.gz" if data[:2] == b"\x1f\x8b" else ".tar"
        roots.append(f"{number}{ending}")
        (tmp_path / roots[-1]).write_bytes(data)
        contents += [image if row == "o" else Status.UNREADABLE for row in rows]
    done = in_process.run(fleet, "classify", *roots, "-o", "out.csv", cwd=tmp_path)
    assert done.code == Exit.SOME_FAILED, done.story
    (line,) = (line for line in done.log.splitlines() if "could not be listed" in line)
    assert "3 folders could not be listed: 2.zip (its directory is damaged)" in line
    assert "unpack" in line, "no permission helps"
    names = [line.partition(",")[0] for line in (tmp_path / "out.csv").read_text().splitlines()]
    expected = expected_table.table(tmp_path, names[1:], files=contents)
    assert (tmp_path / "out.csv").read_bytes() == expected
    proof = verify(tmp_path / "out.csv", deep=True)
    assert len(proof.problems) == 3
    assert all("so its files are unknown" in problem for problem in proof.problems)
    before = os.stat(tmp_path / "out.csv").st_size
    command = ("classify", *roots, "-o", "out.csv")
    again = in_process.run(fleet, *command, "--retry-failed", cwd=tmp_path)
    assert again.code == Exit.SOME_FAILED, again.story
    assert os.stat(tmp_path / "out.csv").st_size == before
