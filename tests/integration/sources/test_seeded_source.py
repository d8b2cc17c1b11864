"""A source that only the tests have runs whole jobs: it is plugged in by a row of a table."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from producer.inputs.job_options import JobOptions
from producer.jobs.classify import classify
from producer.sources import source as kinds
from producer.sources.job_sources import JobSources, Walk
from producer.verify.verify import verify
from shared.errors import Exit, StillOpen, Stopped
from shared.settings import Settings
from shared.stop import Stop
from tests.support.jobs import expected_table
from tests.support.processes import in_process
from tests.support.processes.fleet import PATIENCE_S, SHORT_TIMES, Fleet
from tests.support.servers.redis_server import RedisServer
from tests.support.sources import seeded_source
from tests.support.sources.seeded_source import SeededSource

TYPED = "seeded://7/200"


@pytest.fixture(scope="module")
def fleet(server_binary: Path) -> Iterator[Fleet]:
    """One worker and one server for all tests of this file."""
    with RedisServer(server_binary) as server, Fleet(server, **SHORT_TIMES) as running:
        running.worker()
        yield running


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.SOURCES, seeded_source.NAME, seeded_source.ROW)


def oracle(folder: Path) -> bytes:
    """The table of the source, by a plain loop."""
    sources = JobSources(JobOptions((os.fsencode(TYPED),), bytes(folder), ""))
    source = sources.argument(0)
    assert isinstance(source, SeededSource)
    names = [name for _, name in Walk(sources).paths()]
    return expected_table.table(
        folder, list(map(os.fsdecode, names)), files=list(map(source.content, names))
    )


def test_a_job_of_a_tests_own_source_is_proven_and_a_changed_image_is_found(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "out.csv"
    done = in_process.run(fleet, "classify", TYPED, "-o", str(table), cwd=tmp_path)
    assert done.code == Exit.SOME_FAILED, done.story
    assert table.read_bytes() == oracle(tmp_path)
    proof = verify(table, deep=True)
    assert proof.proven, proof.problems
    assert proof.rows == 181
    assert proof.skipped == {"hidden": 19}
    again = in_process.run(
        fleet, "classify", TYPED, "-o", str(table), "--retry-failed", cwd=tmp_path
    )
    assert again.code == Exit.SOME_FAILED, again.story
    assert table.read_bytes() == oracle(tmp_path)
    report = in_process.run(fleet, "report", str(table), cwd=tmp_path)
    assert report.code == Exit.OK, report.story
    monkeypatch.setattr(SeededSource, "stamp", lambda source, name: (1, 1))
    assert f"{TYPED}/000001: has another size or time" in verify(table).problems[0]


class Silent:
    """What a source waits for: a server that does not reply."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        self.asked = threading.Event()

        def wait(source: SeededSource, *arguments: object) -> object:
            self.asked.set()
            source.waits.sleep(PATIENCE_S)
            raise AssertionError("nothing has ended the wait")

        monkeypatch.setattr(SeededSource, method, wait)
        monkeypatch.setattr(SeededSource, "is_ready", lambda source, name, seconds: True)


@pytest.mark.parametrize("method", ["entries", "read"])
def test_a_stop_ends_the_wait_for_a_source_that_does_not_reply(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    silent, stop = Silent(monkeypatch, method), Stop()
    settings = Settings.from_env(fleet.environment({}))
    options = JobOptions((os.fsencode(TYPED),), bytes(tmp_path), str(tmp_path / "out.csv"))
    with ThreadPoolExecutor() as pool:
        job = pool.submit(classify, options, settings, stop=stop)
        assert silent.asked.wait(PATIENCE_S)
        stop.request()
        if method == "entries":
            assert isinstance(job.exception(PATIENCE_S / 2), Stopped)
        else:
            assert job.result(PATIENCE_S / 2).exit_code == Exit.INTERRUPTED


@pytest.mark.parametrize("method", ["entries", "read"])
def test_a_time_limit_ends_the_wait_for_a_source_that_does_not_reply(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    silent = Silent(monkeypatch, method)
    settings = Settings.from_env(fleet.environment({}))
    options = JobOptions((os.fsencode(TYPED),), bytes(tmp_path), str(tmp_path / "out.csv"))
    if method == "entries":
        with pytest.raises(StillOpen, match="no image was found within --timeout"):
            classify(msgspec.structs.replace(options, timeout_s=0.2), settings)
    else:
        summary = classify(msgspec.structs.replace(options, timeout_s=2.0), settings)
        assert summary.exit_code == Exit.INTERRUPTED
    assert silent.asked.is_set()
