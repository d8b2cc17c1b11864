"""Completion: commands, models, recipes and jobs, in the shells' own protocols."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.job.job_index import IndexedJob, remember
from producer.job.journal import journal_path
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings

SCRIPTS = Path(sys.executable).parent
JOB = "k3fa2b1c"


def completed(*typed: str) -> list[str]:
    """What a shell proposes for the last word."""
    *words, incomplete = typed
    shell = ShellComplete(hangtag, {}, "hangtag", "_HANGTAG_COMPLETE")
    return [str(item.value) for item in shell.get_completions(list(words), incomplete)]


@pytest.fixture
def shoes() -> Registry:
    registry = Registry(Settings.from_env().store_path)
    card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
    registry.publish(card, {"model.tflite": b"1"})
    registry.publish(card, {"model.tflite": b"2"})
    registry.promote("shoes", 2, alias="canary")
    return registry


def test_a_model_is_completed_then_its_versions_and_aliases(shoes: Registry) -> None:
    assert completed("models", "show", "") == ["fashion-mnist", "shoes"]
    wanted = ["shoes@production", "shoes@1", "shoes@canary", "shoes@2"]
    assert completed("classify", "--model", "shoes@") == wanted
    assert completed("models", "rollback", "sh") == ["shoes"]


def test_jobs_are_completed_newest_first_and_tables_as_files(tmp_path: Path) -> None:
    for job, at in ((JOB, 1.0), ("k3fz9999", 2.0)):
        table = tmp_path / f"{job}.csv"
        journal_path(table).touch()
        remember(IndexedJob(job, str(table), at))
    assert completed("status", "k3f") == ["k3fz9999", JOB]
    assert completed("cancel", "out.c") == ["out.c"]


def test_a_fault_completes_nothing_and_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANGTAG_REDIS_URL", "unix:///nowhere/redis.sock")
    done = CliRunner().invoke(
        hangtag,
        [],
        prog_name="hangtag",
        env={
            "_HANGTAG_COMPLETE": "fish_complete",
            "COMP_WORDS": "hangtag models show ",
            "COMP_CWORD": "",
        },
    )
    assert done.output.strip() == ""


def test_bash_completes_a_command_line() -> None:
    assert shutil.which("bash")
    assert (SCRIPTS / "hangtag").exists()
    line = (
        'eval "$(hangtag completion bash)"; COMP_WORDS=(hangtag canc); COMP_CWORD=1; '
        '_hangtag_completion hangtag; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"},
        check=True,
    )
    assert done.stdout == "cancel\n"
