"""The stack of a container whose memory is too small for one process per core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.machine import machine_resources
from tests.support.processes import local_stack
from tests.support.processes.local_stack import Place

LIMIT_MB = 1500
NOTICE = "worker processes: 1, fewer than 2 cores: "


@pytest.fixture
def place() -> Iterator[Place]:
    yield from local_stack.new()


def test_fewer_processes_than_cores_are_reported(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(f"{LIMIT_MB << 20}\n")
    monkeypatch.setattr(machine_resources, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(2)))
    env = place.environment | {"HANGTAG_CHILD_MEMORY_MB": "1024"}

    def printed(*words: str) -> str:
        result = CliRunner().invoke(hangtag, ["up", *words], env=env)
        assert result.exit_code == 0, result.output
        return result.stderr

    assert printed().startswith(NOTICE)
    assert "use --workers" in printed("--workers", "auto")
    assert printed("--workers", "2") == ""
    assert printed() == "", "the number that was given before"
