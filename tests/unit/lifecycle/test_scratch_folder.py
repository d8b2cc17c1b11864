"""Temporary files of dead workers are deleted by the next one, those of others are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.lifecycle import process_files

#: As a worker and one of its children; both leave files.
OWNER = """
import os, signal, sys, tempfile
from multiprocessing import util
from worker.lifecycle import process_files
process_files.enter_own_folder()
open(util.get_temp_dir() + "/file", "w").close()
if os.fork() == 0:
    util._finalizer_registry.clear()  # as a child of a pool does
    with process_files.own_folder():
        tempfile.mkstemp(prefix="__autograph_generated_file")
        if sys.argv[1] == "child-killed":
            os.kill(os.getpid(), signal.SIGKILL)
    os._exit(0)
os.wait()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files; a short name stays below the user's."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def _start(how: str = "") -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", OWNER, how]
    owner = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"ready\n"
    return owner


@pytest.fixture
def owner(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    started = _start(getattr(request, "param", ""))
    with started:
        yield started
        started.kill()


def _files(base: Path) -> list[str]:
    return sorted(path.name for path in base.rglob("*") if path.is_file())


def test_a_child_leaves_nothing_at_its_end(owner: subprocess.Popen[bytes], base: Path) -> None:
    assert _files(base) == ["file"]


@pytest.mark.parametrize("owner", ["child-killed"], indirect=True)
def test_a_worker_that_ends_leaves_nothing(owner: subprocess.Popen[bytes], base: Path) -> None:
    assert len(_files(base)) == 2
    assert owner.communicate() == (b"", b""), "an end on purpose says nothing"
    assert os.listdir(base) == []


@pytest.mark.parametrize("owner", ["child-killed"], indirect=True)
def test_what_killed_workers_left_is_deleted_by_the_next(
    owner: subprocess.Popen[bytes], base: Path
) -> None:
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert len(_files(base)) == 2
    with process_files.own_folder():
        assert _files(base) == []
    assert os.listdir(base) == []


def test_the_folder_of_a_living_worker_stays(owner: subprocess.Popen[bytes], base: Path) -> None:
    process_files.remove_dead_folders(base)
    assert _files(base) == ["file"]
