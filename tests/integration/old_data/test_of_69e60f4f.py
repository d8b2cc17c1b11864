"""Jobs, tables, sorts, corrections, requests and versions that commit 69e60f4f wrote."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from shared.errors import Exit
from shared.registry.registry import Registry
from tests.support.processes.fleet import Fleet
from tests.support.servers.redis_server import RedisServer

ARCHIVE = Path(__file__).parents[2] / "old_data" / "69e60f4f.tar.xz"
#: Journals name absolute paths.
ROOT = Path("/tmp/hangtag-69e60f4f")
HOME = ("XDG_STATE_HOME", "XDG_DATA_HOME")
FINISHED = ("finished", "top3", "all", "retried", "corrected", "sorted", "by-tutorial")
OF_TUTORIAL = ("--name", "tutorial", "--recipe", "tutorial", "--epochs", "1")
FORMS = ("csv", "tsv", "jsonl")
#: Between two kinds of processors.
CONFIDENCE_DIFFERS_BY = 0.02


@pytest.fixture(scope="module")
def unpacked() -> Iterator[Path]:
    """The data at their place; other runs of the tests on this machine wait."""
    with ROOT.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(ROOT, ignore_errors=True)
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(ROOT.parent, filter="data")
        yield ROOT
        shutil.rmtree(ROOT)


@pytest.fixture
def data(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data, as the folder and the home of a user."""
    monkeypatch.chdir(unpacked)
    for name in HOME:
        monkeypatch.setenv(name, str(unpacked / "home" / name))
    return unpacked


def run(*arguments: str, code: Exit = Exit.OK) -> Result:
    result = CliRunner().invoke(hangtag, arguments)
    assert result.exit_code == code, (arguments, result.output)
    return result


def tree(folder: Path) -> dict[str, bytes]:
    return {
        os.path.relpath(path, folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", FINISHED)
def test_a_finished_table_verifies(data: Path, name: str) -> None:
    run("verify", f"{name}.csv")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["finished", "top3", "all"])
def test_a_table_is_rendered_with_the_same_bytes(data: Path, name: str, form: str) -> None:
    written = (data / f"{name}.{form}").read_bytes()
    run("table", f"{name}.csv", "-o", f"again.{form}", "--force")
    assert (data / f"again.{form}").read_bytes() == written


def test_a_corrected_table_is_rendered_with_the_same_bytes(data: Path) -> None:
    written = (data / "corrected.csv").read_bytes()
    run("table", "corrected.csv", "-o", "again.csv", "--force")
    assert (data / "again.csv").read_bytes() == written


def test_the_table_of_a_data_check_can_be_read(data: Path) -> None:
    reported = json.loads(run("report", "check.csv", "-o", "check.html", "--json").stdout)
    assert reported


@pytest.mark.parametrize("name", ["half", "budget"])
def test_an_unfinished_job_resumes_to_the_table_of_a_finished_one(
    data: Path, server: RedisServer, name: str
) -> None:
    with Fleet(server) as fleet:
        fleet.worker(concurrency=1)
        producer = fleet.producer("classify", "garments", "-o", f"{name}.csv", cwd=data)
        assert producer.wait() == Exit.SOME_FAILED, producer.story
    resumed, whole = rows(data / f"{name}.csv"), rows(data / "finished.csv")
    assert len(resumed) == len(whole)
    for mine, theirs in zip(resumed, whole, strict=True):
        a, b = mine.pop("confidence"), theirs.pop("confidence")
        assert mine == theirs
        assert (a == b) or abs(float(a) - float(b)) < CONFIDENCE_DIFFERS_BY
    run("verify", f"{name}.csv")


def test_a_move_is_undone(data: Path) -> None:
    run("sort", "--undo", "moved")
    assert tree(data / "to-sort") == tree(data / "garments")
    assert not (data / "moved").exists()


def test_a_copy_is_undone(data: Path) -> None:
    before = tree(data / "garments")
    run("sort", "--undo", "copied")
    assert tree(data / "garments") == before
    assert not (data / "copied").exists()


def test_a_known_request_returns_its_outcome_and_runs_no_second_time(
    data: Path, server: RedisServer
) -> None:
    store = data / "home" / "XDG_DATA_HOME" / "hangtag" / "models"
    with Fleet(server, HANGTAG_STORE=str(store), HANGTAG_ROUND_S="0.5") as fleet:
        fleet.worker(1, "worker.trainer")
        commands = {
            code: fleet.producer("train", folder, "--request-id", request, *more, cwd=data)
            for code, folder, request, *more in (
                (Exit.OK, "train", "of-tutorial", *OF_TUTORIAL),
                (Exit.SETUP, "rubbish", "failed", "--name", "none"),
            )
        }
        for code, command in commands.items():
            assert command.wait() == code, command.story
    assert Registry(store).versions("tutorial") == [1]
    assert Registry(store).versions("none") == []


def test_a_cancelled_request_is_refused(data: Path) -> None:
    run("train", "train", "--name", "none", "--request-id", "cancelled", code=Exit.CANCELLED)


def test_each_version_is_listed_with_its_card(data: Path) -> None:
    registry = Registry(data / "home" / "XDG_DATA_HOME" / "hangtag" / "models")
    for name in ("tutorial", "fast", "accurate", "head"):
        assert registry.versions(name) == [1]
        card = registry.card(name, 1)
        assert (card.name, card.version) == (name, 1)
        assert len(card.labels) == 4


def test_every_job_is_in_the_list(data: Path) -> None:
    listed = json.loads(run("status", "--json").stdout)
    outputs = {Path(job["output"]).name for job in listed}
    assert {f"{name}.csv" for name in FINISHED} <= outputs
