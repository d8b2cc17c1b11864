"""Liveness files of workers that were killed are deleted by the next worker."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec
import pytest

from shared.process import parent_id
from shared.settings import Settings
from worker.lifecycle.process_files import LIVENESS_FOLDER, Liveness, remove_dead_files

DEAD = f"{socket.gethostname()}:99999999:1"
REUSED = f"{socket.gethostname()}:{os.getpid()}:1"


@pytest.mark.parametrize(
    ("worker", "stays"),
    [(DEAD, False), (REUSED, False), ("elsewhere:99999999:1", True), (parent_id(), True)],
    ids=["dead", "reused", "elsewhere", "alive"],  # the same in each process of a run
)
def test_only_files_of_dead_workers_of_this_machine_are_deleted(
    worker: str, stays: bool, tmp_path: Path
) -> None:
    settings = Settings(runtime_dir=str(tmp_path))
    (tmp_path / LIVENESS_FOLDER).mkdir()
    file = tmp_path / LIVENESS_FOLDER / "1.json"
    file.write_bytes(msgspec.json.encode(Liveness(worker, 1.0)))
    remove_dead_files(settings)
    assert file.exists() == stays
