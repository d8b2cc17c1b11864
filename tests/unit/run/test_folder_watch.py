"""Waiting for changes of local folders, and for the time where no change is reported."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from producer.job.job_options import JobOptions
from producer.run import watch as folder_watch
from producer.run.watch import watched
from producer.sources.job_sources import JobSources
from shared.errors import SetupError, Stopped
from shared.stop import Stop
from tests.support.archives.archive_writers import write
from tests.support.jobs.finished_job import options_of

#: Longer than any of these waits takes.
LONG_S = 60.0


@pytest.fixture
def options(tmp_path: Path) -> JobOptions:
    (tmp_path / "in").mkdir()
    return options_of(tmp_path, b"in")


def waits(
    options: JobOptions, change: Callable[[Stop], object], seconds: float = LONG_S
) -> tuple[bool, float]:
    """What a wait returns during which something happens, and how long it took."""
    stop, begun = Stop(), time.monotonic()
    with watched(JobSources(options), stop, print) as (wait, _):
        timer = threading.Timer(0.1, change, (stop,))
        timer.start()
        try:
            return wait(seconds), time.monotonic() - begun
        finally:
            timer.join()


def test_a_wait_ends_with_a_file_that_is_written_renamed_or_removed(options: JobOptions) -> None:
    folder = Path(options.output).parent / "in"
    new, other = folder / "1.png", folder / "2.png"
    for change in (
        lambda stop: new.write_bytes(b"1"),
        lambda stop: new.rename(other),
        lambda stop: other.unlink(),
        lambda stop: (folder / "below").mkdir(),
    ):
        has_changed, took_s = waits(options, change)
        assert has_changed
        assert took_s < LONG_S


def test_the_files_of_the_job_itself_end_no_wait(tmp_path: Path) -> None:
    options = options_of(tmp_path, b".")

    def write_own(stop: Stop) -> None:
        for ending in ("", ".hangtag", ".hangtag-wal", ".hangtag-next.hangtag"):
            Path(f"{options.output}{ending}").write_bytes(b"1")

    assert not waits(options, write_own, seconds=1.5)[0]
    (tmp_path / "below").mkdir()
    for name in ("1.png", "below/out.csv.hangtag"):
        assert waits(options, lambda stop, path=tmp_path / name: path.touch())[0]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "kind", "longest_s"),
    [
        ({}, "ext4", 60.0),
        ({}, "nfs4", 10.0),
        ({}, "fuse.sshfs", 10.0),
        ({"roots": (b"in", b"photos.zip")}, "ext4", 10.0),
        ({"roots": (), "list_file": b"list"}, "ext4", 10.0),
    ],
)
def test_files_whose_changes_the_system_does_not_report_are_compared_more_often(
    options: JobOptions,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Any],
    kind: str,
    longest_s: float,
) -> None:
    folder = Path(options.output).parent
    (folder / "list").write_bytes(b"in/a.png")
    write(folder / "photos.zip", {"a.png": b"a"})
    monkeypatch.setattr(folder_watch, "_MOUNTS", str(_mounts(options, kind)))
    with watched(JobSources(msgspec.structs.replace(options, **given)), Stop(), print) as (_, s):
        assert s == longest_s


def test_without_the_package_that_watches_folders_the_command_that_adds_it_is_named(
    options: JobOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "watchfiles" else find(name)
    )
    with (
        pytest.raises(SetupError, match=r"pip install .*\[watch\]"),
        watched(JobSources(options), Stop(), print),
    ):
        pass


def test_a_stop_ends_a_wait(options: JobOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    for mounts in (folder_watch._MOUNTS, str(_mounts(options, "nfs4"))):
        monkeypatch.setattr(folder_watch, "_MOUNTS", mounts)
        with pytest.raises(Stopped):
            waits(options, Stop.request)


def _mounts(options: JobOptions, kind: str) -> Path:
    """The mounts of a machine that has the folder on a disk of this kind."""
    folder = Path(options.output).parent
    mounts = folder / "mounts"
    escaped = str(folder).replace(" ", "\\040")
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"36 22 0:33 / {escaped} rw shared:9 master:2 - {kind} server:/export rw\n"
    )
    return mounts
