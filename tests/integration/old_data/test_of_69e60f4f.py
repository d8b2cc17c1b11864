"""Jobs, tables, sorts, corrections, requests and versions that commit 69e60f4f wrote."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import redis
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.output.csv_cells import unescape
from shared.errors import Exit
from shared.ledger import request_store
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import RequestView
from shared.messages.requests import CheckDataset, ComputeFeatures, Import, Work
from shared.messages.training import Train
from shared.registry.mirror_writer import publish
from shared.registry.registry import Registry
from tests.support.backbones import short_backbone
from tests.support.jobs import expected_table, handler_context
from tests.support.jobs.old_version import ARCHIVE
from tests.support.processes import in_process, local_stack
from tests.support.processes.fleet import Fleet, wait_for
from tests.support.processes.local_stack import Place
from tests.support.servers.redis_server import RedisServer
from worker.handlers.train import train as handle_training

pytestmark = pytest.mark.trains
#: Journals name absolute paths.
ROOT = Path("/tmp/hangtag-69e60f4f")
HOME = ("XDG_STATE_HOME", "XDG_DATA_HOME")
MODELS = Path("home", "XDG_DATA_HOME", "hangtag", "models")
#: The store of the broker: its versions are complete.
MODELS_SERVED = Path("broker")
#: Versions that the commit's workers classified with.
SERVED = ("tutorial", "photo", "short", "fine", "scratch")
#: Those whose network is not in the archive: the commit's decoder and runtime wrote the table.
UNSERVED = ("fast", "accurate")
FINISHED = (
    *("finished", "top3", "all", "retried", "corrected", "sorted"),
    *(f"by-{name}" for name in SERVED),
)
#: Tables with other rows or columns than their job's: name, job, options.
DISPLAYS = (
    ("so-far-of-half", "half", ()),
    ("so-far-of-budget", "budget", ()),
    ("unsure", "finished", ("--min-confidence", "90%")),
    ("narrow", "finished", ("--columns", "guess,confidence,label")),
    ("two", "all", ("--top-k", "2", "--accept", "all", "--no-probabilities")),
    ("uncorrected", "corrected", ("--no-corrections",)),
)
OF_TUTORIAL = ("--name", "tutorial", "--recipe", "tutorial", "--epochs", "1")
FORMS = ("csv", "tsv", "jsonl")
#: Of the trainings that had a checkpoint.
EPOCHS = 60
#: Those that take seconds; one training is enough to see that they go on.
LONG = (Train, Import, CheckDataset)
#: Kinds of requests that the commit did not know.
LATER = {ComputeFeatures}
LEASE_S = 20.0
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


@pytest.fixture(scope="module")
def workers(server_binary: Path) -> Iterator[Fleet]:
    """A broker with a worker, for tests that classify."""
    with RedisServer(server_binary) as server, Fleet(server) as fleet:
        fleet.worker(concurrency=1)
        yield fleet


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


@pytest.mark.parametrize("name", [*FINISHED, "moved", "check"])
def test_a_table_is_rendered_with_the_same_bytes_in_every_form(data: Path, name: str) -> None:
    check_forms(data, name, name)


@pytest.mark.parametrize(("name", "job", "options"), DISPLAYS)
def test_other_rows_and_columns_are_rendered_with_the_same_bytes_in_every_form(
    data: Path, name: str, job: str, options: tuple[str, ...]
) -> None:
    check_forms(data, name, job, *options)


def check_forms(data: Path, name: str, job: str, *options: str) -> None:
    for form in FORMS:
        run("table", f"{job}.csv", "-o", f"again.{form}", "--force", *options)
        assert (data / f"again.{form}").read_bytes() == (data / f"{name}.{form}").read_bytes(), form


def test_a_table_that_is_named_like_another_form_stays_csv(data: Path) -> None:
    """Nothing but CSV was written, into any name that was not refused."""
    written = (data / "finished.csv").read_bytes()
    for suffix in ("", ".hangtag"):
        shutil.copy(data / f"finished.csv{suffix}", data / f"like.tsv{suffix}")
    run("verify", "like.tsv")
    run("table", "like.tsv", "--columns", "label")
    run("table", "like.tsv", "--columns", "all")
    assert (data / "like.tsv").read_bytes() == written


def test_the_table_of_a_dataset_check_can_be_read(data: Path) -> None:
    reported = json.loads(run("report", "check.csv", "-o", "check.html", "--json").stdout)
    assert reported


@pytest.mark.parametrize("name", ["half", "budget"])
def test_an_unfinished_job_resumes_to_the_table_of_a_finished_one(
    data: Path, workers: Fleet, name: str
) -> None:
    with put_back(data, f"{name}.csv*"):
        command = in_process.run(workers, "classify", "garments", "-o", f"{name}.csv", cwd=data)
        assert command.code == Exit.SOME_FAILED, command.story
        check_rows(rows(data / f"{name}.csv"), rows(data / "finished.csv"))
        run("verify", f"{name}.csv")


def test_a_finished_table_is_brought_up_to_date(data: Path, workers: Fleet) -> None:
    before = rows(data / "finished.csv")
    name = next(row["path"] for row in before if row["status"] == "ok")
    gone = data / unescape(name).decode()
    aside, new = data / "aside.png", data / "garments/zz-new.png"
    gone.rename(aside)
    shutil.copy2(aside, new)
    with put_back(data, "finished.csv*"):
        command = in_process.run(
            workers, "classify", "garments", "-o", "finished.csv", "--update", cwd=data
        )
        now = rows(data / "finished.csv")
        run("verify", "finished.csv")
    aside.rename(gone)
    new.unlink()
    assert command.code == Exit.SOME_FAILED, command.story
    others = [row for row in before if row["path"] != name]
    assert [row for row in now if row["path"] != "garments/zz-new.png"] == others
    assert len(now) == len(before)


@contextmanager
def put_back(data: Path, pattern: str) -> Iterator[None]:
    """Afterwards these files are as before, for tests in any order."""
    before = {path: path.read_bytes() for path in data.glob(pattern)}
    yield
    for path in data.glob(pattern):
        path.unlink()
    for path, content in before.items():
        path.write_bytes(content)


def check_rows(rows: Sequence[dict[str, str]], expected: Sequence[dict[str, str]]) -> None:
    assert len(rows) == len(expected)
    for mine, theirs in zip(rows, expected, strict=True):
        a, b = mine.pop("confidence"), theirs.pop("confidence")
        assert mine == theirs
        assert (a == b) or abs(float(a) - float(b)) < CONFIDENCE_DIFFERS_BY


@pytest.mark.parametrize("name", [*SERVED, *UNSERVED])
def test_a_version_of_each_recipe_classifies_the_same_rows(data: Path, name: str) -> None:
    written = rows(data / f"by-{name}.csv")
    registry = Registry(data / MODELS)
    version = expected_table.published(registry, registry.card(name, 1))
    paths = [os.fsdecode(unescape(row["path"])) for row in written]
    table = expected_table.table(data, paths, version=version)
    check_rows(list(csv.DictReader(table.decode().splitlines())), written)


def test_a_version_is_served_to_workers_and_classifies_the_same_rows(
    data: Path, workers: Fleet
) -> None:
    publish(workers.client, Registry(data / MODELS_SERVED))
    options = ("-o", "served.csv", "--model", "tutorial")
    command = in_process.run(workers, "classify", "garments", *options, cwd=data)
    assert command.code == Exit.SOME_FAILED, command.story
    check_rows(rows(data / "served.csv"), rows(data / "by-tutorial.csv"))


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
    store = data / MODELS
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
    registry = Registry(data / MODELS)
    for name in ("head", *SERVED, *UNSERVED):
        assert registry.versions(name) == [1]
        card = registry.card(name, 1)
        assert (card.name, card.version) == (name, 1)
        assert len(card.labels) == 4


def test_every_job_is_in_the_list(data: Path) -> None:
    listed = json.loads(run("status", "--json").stdout)
    outputs = {Path(job["output"]).name for job in listed}
    assert {f"{name}.csv" for name in FINISHED} <= outputs


def test_requests_of_a_stack_that_has_ended_are_paused(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_STORE", str(data / "stack"))
    listed = {one["request"]: one["state"] for one in json.loads(train("--list", "--json"))}
    assert listed == {"running": "paused", "waiting": "paused"}


@pytest.fixture
def place(data: Path) -> Iterator[Place]:
    """A stack whose store has a training that an earlier one had not finished."""
    for place in local_stack.new(workers=False):
        shutil.copytree(data / "stack", place.settings.store_path)
        yield place


@pytest.mark.nightly
def test_a_training_of_a_stack_resumes_from_its_checkpoint(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = place.settings.store_path
    before = epochs_of(store, "running")
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    train("--follow", "running")
    check_resumed(Registry(store), "stopped", before)


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_training_from_photos_resumes_from_its_checkpoint(
    data: Path, server: RedisServer, tmp_path: Path
) -> None:
    store = data / "photos"
    before = epochs_of(store, "running")
    work = Train("scratch", "photo-scratch", str(data / "train"), epochs=3)
    context, _ = handler_context.make(server, store, work, request_id="running")
    with short_backbone.in_table(tmp_path):
        handle_training(context, work)
    check_resumed(Registry(store), "scratch", before, work.epochs)


def test_cancelled_requests_of_a_stack_that_has_ended_are_refused_in_one_line(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_STORE", str(data / "cancelled"))
    assert json.loads(train("--list", "--json")) == []
    for request, count in (("running", "60"), ("waiting", "2")):
        options = ("--name", "stopped", "--recipe", "tutorial", "--epochs", count)
        refused = run("train", "train", *options, "--request-id", request, code=Exit.CANCELLED)
        assert len(refused.output.splitlines()) == 1
        assert request in refused.output


def test_requests_of_every_kind_at_a_broker_go_on(
    data: Path, server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    shutil.copytree(data / "broker", store)  # the other server's trainer finds it as it was
    load_keys(server.client, data / "broker.json")
    ledger = RequestLedger(server.client, LEASE_S)
    kinds = {request.id: type(request.work) for request in ledger.open_requests()}
    assert set(kinds.values()) == set(get_args(Work)) - LATER
    before = epochs_of(store, "running")
    monkeypatch.setenv("HANGTAG_REDIS_URL", server.url)
    for request, kind in kinds.items():
        if kind in LONG and request != "running":
            train("--cancel", request)
    with Fleet(server, HANGTAG_STORE=str(store), HANGTAG_ROUND_S="0.5") as fleet:
        fleet.worker(2, "worker.trainer")
        while seen := progress(ledger):  # trainings take as long as the machine needs
            wait_for("progress of a request", partial(_has_changed, ledger, seen))
    outcomes = {request: request_store.outcome(store, request) for request in kinds}
    assert {kinds[request] for request, one in outcomes.items() if one is None} == set(LONG)
    assert [one.error for one in outcomes.values() if one is not None and not one.ok] == []
    registry = Registry(store)
    check_resumed(registry, "resumed", before)
    assert registry.aliases("promoted") == {"production": 2}
    assert registry.aliases("rolled") == {"production": 1}
    assert (registry.versions("pruned"), registry.versions("removed")) == ([1, 3], [1, 3])


def progress(ledger: RequestLedger) -> dict[str, RequestView | None]:
    """The open requests, with what has been done of each."""
    return {request: ledger.get(request) for request in ledger.open()}


def _has_changed(ledger: RequestLedger, seen: dict[str, RequestView | None]) -> bool:
    return progress(ledger) != seen


def train(*arguments: str) -> str:
    return run("train", *arguments).stdout


def load_keys(client: redis.Redis, file: Path) -> None:
    """Set the keys of add_to_69e60f4f.py, whose bytes are Latin-1."""
    for key, (kind, value) in json.loads(file.read_text()).items():
        if kind == "hash":
            client.hset(key, mapping={name: one.encode("latin-1") for name, one in value.items()})
        elif kind == "zset":
            client.zadd(key, value)
        elif kind == "list":
            client.rpush(key, *(one.encode("latin-1") for one in value))
        else:
            client.set(key, value.encode("latin-1"))


def epochs_of(store: Path, request: str) -> list[object]:
    """The epochs of a training's checkpoint."""
    folder = request_store.folder(store, request)
    with np.load(folder / "work" / "state.npz") as state:
        _, epochs = json.loads(state["about"].tobytes())
    assert epochs
    return list(epochs)


def check_resumed(registry: Registry, name: str, before: list[object], count: int = EPOCHS) -> None:
    """Its first epochs, with their seconds, are those of the checkpoint."""
    card = registry.card(name, 1)
    epochs = json.loads(registry.read(card, "history.json"))
    assert card.epochs == len(epochs) == count
    assert epochs[: len(before)] == before
