"""A job on a disk that is missing for a while comes back with it; until then its version stays."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.job.job_index import entries, index_dir
from producer.job.job_properties import Pinned
from producer.job.journal import journal_path
from producer.run.job import Job
from shared.errors import Exit
from shared.messages.batch import JobRecord
from shared.messages.model_card import card_sha256
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.jobs.finished_job import ID, RUBBISH, finish, options_of

DAY_S = 86_400
NAME = "shoes"


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a job that has started, pinned to version 2 of three."""
    monkeypatch.chdir(tmp_path)
    card = msgspec.structs.replace(packaged.card(), name=NAME, files={})
    registry = Registry(Settings.from_env().store_path)
    cards = [registry.publish(card, {"model.tflite": b"12345"}) for _ in range(3)]
    registry.promote(NAME, 3)
    disk = tmp_path / "media/disk"
    (disk / "photos").mkdir(parents=True)
    options = options_of(disk, b"photos")
    record = JobRecord(
        ID, NAME, 2, card_sha256(cards[1]), "litert", options.top_k or 1, "out.csv", "host", 1.0
    )
    with closing(Job(options)) as job:
        job.start(Pinned(record, cards[1], options))
    return disk


def unmounted(disk: Path) -> None:
    disk.rename(disk.parent.parent / "drawer")


def unmounted_from_a_folder_that_stays(disk: Path) -> None:
    unmounted(disk)
    disk.mkdir()


def mounted(disk: Path) -> None:
    if disk.exists():
        disk.rmdir()
    (disk.parent.parent / "drawer").rename(disk)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hangtag, arguments, env={"COLUMNS": "1000"})


def age(seconds: float) -> None:
    (file,) = index_dir().glob("*.json")
    os.utime(file, times=(time.time() - seconds,) * 2)


@pytest.mark.parametrize("unmount", [unmounted, unmounted_from_a_folder_that_stays])
def test_a_job_comes_back_with_its_disk_and_its_version_is_still_there(
    disk: Path, unmount: Callable[[Path], None]
) -> None:
    unmount(disk)
    assert run("status").stdout == "no jobs; start one with: hangtag classify DIR\n"
    table = str(disk / "out.csv")
    commands = [(one, job) for one in ("status", "collect", "report") for job in (ID, table)]
    for command, job in [*commands, ("status", ID[:5]), ("cancel", table)]:
        result = run(command, job)
        assert result.exit_code == Exit.USAGE
        assert table in result.stderr
        assert result.stderr.endswith(f"hangtag forget {job}\n")
    planned = run("models", "prune", NAME, "--keep", "0").stdout
    assert ID in planned
    assert "2 stays: job" in run("models", "rm", f"{NAME}@2", "--yes").stderr
    mounted(disk)
    assert run("status", ID).stdout.splitlines()[1].startswith(f"{ID}  paused")
    assert 2 in Registry(Settings.from_env().store_path).versions(NAME)


def test_a_finished_job_needs_no_version_until_its_failed_rows_are_repeated(disk: Path) -> None:
    table = disk / "out.csv"
    (disk / "photos/1.png").write_bytes(RUBBISH)
    finish(options_of(disk, b"photos"))
    assert [(entry.id, entry.model) for entry in entries()] == [(ID, "")]
    with closing(Job(options_of(disk, b"photos"))) as job:
        assert job.repeat_failed() == 1
    unmounted(disk)
    assert "2 stays: job" in run("models", "rm", f"{NAME}@2", "--yes").stderr
    mounted(disk)
    finish(options_of(disk, b"photos"))
    unmounted(disk)
    assert run("models", "rm", f"{NAME}@2", "--yes").exit_code == 0
    assert str(table) in run("status", ID).stderr, "it is still known"


def test_a_job_on_a_missing_disk_can_be_forgotten(disk: Path) -> None:
    unmounted(disk)
    result = run("forget", ID, "--yes")
    assert result.stdout == f"job {ID} is forgotten; its files stay, if they exist\n"
    assert entries() == []
    assert run("models", "rm", f"{NAME}@2", "--yes").exit_code == 0
    mounted(disk)
    assert journal_path(disk / "out.csv").exists()


def test_jobs_of_deleted_folders_are_forgotten_when_they_are_missing_for_90_days(
    disk: Path,
) -> None:
    age(91 * DAY_S)
    assert len(entries()) == 1, "its journal is there"
    shutil.rmtree(disk)
    assert len(entries()) == 1, "it was there a moment ago"
    age(89 * DAY_S)
    assert len(entries()) == 1
    age(91 * DAY_S)
    assert entries() == []
    assert list(index_dir().iterdir()) == []
