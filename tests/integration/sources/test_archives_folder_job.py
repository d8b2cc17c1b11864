"""A job of a folder that holds archives, from its first row to sorted copies."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.verify.verify import verify
from shared.errors import Exit
from tests.support.images import gallery
from tests.support.jobs import expected_table
from tests.support.processes import in_process
from tests.support.processes.fleet import SHORT_TIMES, Fleet
from tests.support.servers.redis_server import RedisServer

IMAGES = 60


@pytest.fixture
def fleet(server: RedisServer) -> Iterator[Fleet]:
    with Fleet(server, **SHORT_TIMES) as running:
        running.worker()
        yield running


def test_members_are_rows_that_are_proven_and_copied_and_a_new_archive_is_seen(
    fleet: Fleet, tmp_path: Path
) -> None:
    images = gallery.make(tmp_path, IMAGES)
    folder, table = tmp_path / gallery.FOLDER, tmp_path / "out.csv"
    expected = expected_table.table(tmp_path, images.paths)
    packed = sorted(path for path in folder.iterdir())[0]
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        for path in packed.iterdir():
            archive.write(path, path.name)
            path.unlink()
    packed.rmdir()
    (folder / "x.zip").rename(folder / f"{packed.name}.zip")
    command = ("classify", gallery.FOLDER, "--archives", "-o", str(table))
    done = in_process.run(fleet, *command, cwd=tmp_path)
    assert done.code == Exit.OK, done.story
    rows = expected.decode().replace(f"/{packed.name}/", f"/{packed.name}.zip/")
    assert table.read_text() == rows
    assert verify(table, deep=True).proven
    other = in_process.run(fleet, *command[:2], *command[3:], cwd=tmp_path)
    assert (other.code, "--archives" in other.log) == (Exit.USAGE, True)
    moved = in_process.run(fleet, "sort", str(table), "--into", "sorted", "--move", cwd=tmp_path)
    assert (moved.code, "use --copy" in moved.log) == (Exit.USAGE, True)
    copied = in_process.run(fleet, "sort", str(table), "--into", "sorted", "--copy", cwd=tmp_path)
    assert copied.code == Exit.OK, copied.story
    assert sum(path.suffix == ".png" for path in (tmp_path / "sorted").rglob("*")) == IMAGES
    with zipfile.ZipFile(folder / "zz.zip", "w") as archive:
        archive.write(next(folder.rglob("*.png")), "new.png")
    again = in_process.run(fleet, *command, cwd=tmp_path)
    assert "1 file has appeared" in again.log
    updated = in_process.run(fleet, *command, "--update", cwd=tmp_path)
    assert updated.code == Exit.OK, updated.story
    assert table.read_text().startswith(rows)
    assert table.read_text().splitlines()[-1].startswith(f"{gallery.FOLDER}/zz.zip/new.png,")
    assert verify(table, deep=True).proven
