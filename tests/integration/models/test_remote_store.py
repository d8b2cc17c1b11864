"""`hangtag models` with a remote broker: reads from Redis; the owner of the store writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import msgspec
import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.job.totals import JobCounts
from producer.run.job_queue import JobQueue, PublishedProgress
from shared import keys
from shared.broker.celery_app import make_app
from shared.messages import model_card
from shared.messages.batch import JobRecord
from shared.messages.replies import Evaluated, Pruned, Trained
from shared.registry import mirror_writer, packaged
from shared.registry.mirror_reader import Mirror
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.images import hostile_keras_archives
from tests.support.images.drawn_folders import draw
from tests.support.processes.fleet import Fleet
from tests.support.servers.redis_server import RedisServer

pytestmark = pytest.mark.trains

#: A model of each test, in one store: a trainer takes a second of a core to start.
SHOWN, MOVED, DELETED = MODELS = ("shoes", "boots", "sandals")
FILES = {"model.tflite": b"1", "samples.png": b"\x89PNG"}


@pytest.fixture(scope="module")
def store(server_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with four versions of each model, on the trainer's machine; a new one for each of
    several servers."""
    registry = Registry(tmp_path_factory.mktemp("owner") / "store")
    for name in MODELS:
        for seed in range(4):
            card = msgspec.structs.replace(packaged.card(), name=name, seed=seed, files={})
            registry.publish(card, FILES)
    return registry.root


@pytest.fixture(scope="module")
def owned(server_binary: Path, store: Path) -> Iterator[Fleet]:
    """A broker, with the trainer that owns the store."""
    times = {"HANGTAG_HEARTBEAT_S": "0.5", "HANGTAG_HEARTBEAT_TTL_S": "4"}
    with RedisServer(server_binary) as server, Fleet(server, **times) as fleet:
        fleet.worker(1, "worker.trainer", HANGTAG_STORE=str(store))
        mirror_writer.publish(fleet.client, Registry(store))
        yield fleet


@pytest.fixture
def fleet(owned: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """A configured broker; the local store is empty."""
    monkeypatch.setenv("HANGTAG_REDIS_URL", owned.server.url)
    return owned


def succeed(*arguments: str) -> str:
    result = CliRunner().invoke(hangtag, ["models", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.nightly
def test_list_and_show_display_the_same_from_redis_and_store(
    fleet: Fleet, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(store)
    registry.promote(SHOWN, 3, who="ann", why="better")
    mirror_writer.publish(fleet.client, registry)
    commands = (["list"], ["list", SHOWN, "--json"], ["show", SHOWN], ["show", "shoes@2", "--json"])
    elsewhere = [succeed(*command) for command in commands]
    succeed("show", SHOWN, "--pictures", str(tmp_path / "pictures"))
    assert (tmp_path / "pictures/samples.png").read_bytes() == FILES["samples.png"]
    monkeypatch.delenv("HANGTAG_REDIS_URL")
    monkeypatch.setenv("HANGTAG_STORE", str(store))
    assert [succeed(*command) for command in commands] == elsewhere


def test_the_owner_moves_aliases_and_all_see_it_at_once(fleet: Fleet, store: Path) -> None:
    registry = Registry(store)
    succeed("promote", f"{MOVED}@2", "--why", "better")
    assert Mirror(fleet.client).aliases(MOVED) == registry.aliases(MOVED) == {"production": 2}
    last = registry.history(MOVED)[-1]
    assert (last.why, bool(last.who), bool(last.request)) == ("better", True, True)
    succeed("rollback", MOVED)
    assert Mirror(fleet.client).aliases(MOVED) == registry.aliases(MOVED) == {"production": 1}
    pin(fleet, "pnnedj42", MOVED, version=3)
    pruned = msgspec.json.decode(
        succeed("prune", MOVED, "--keep", "0", "--json", "--yes"), type=Pruned
    )
    assert pruned.removed == (2, 4)
    assert "job pnnedj42 is pinned to it" in pruned.kept[3]
    assert registry.versions(MOVED) == [1, 3]
    assert Mirror(fleet.client).numbers()[MOVED] == [1, 3]
    result = CliRunner().invoke(hangtag, ["models", "promote", f"{MOVED}@2"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"there is no version {MOVED}@2" in result.stderr


def test_the_owner_deletes_a_version_and_a_model_unless_a_job_needs_it(
    fleet: Fleet, store: Path
) -> None:
    pin(fleet, "pnnedj43", DELETED, version=3)
    for target in (f"{DELETED}@3", DELETED):
        result = CliRunner().invoke(hangtag, ["models", "rm", target, "--yes"])
        assert (result.exit_code, result.stdout) == (1, "")
        assert "job pnnedj43 is pinned to it" in result.stderr
    assert Registry(store).versions(DELETED) == [1, 2, 3, 4]
    succeed("rm", f"{DELETED}@4", "--yes")
    fleet.client.zrem(keys.JOBS, "pnnedj43")
    removed = msgspec.json.decode(succeed("rm", DELETED, "--yes", "--json"), type=Pruned)
    assert removed.removed == (1, 2, 3)
    assert DELETED not in Registry(store).names()
    assert DELETED not in Mirror(fleet.client).numbers()


def pin(fleet: Fleet, job: str, name: str, version: int) -> None:
    """A job of another machine, as its producer registers it."""
    card = Mirror(fleet.client).card(name, version)
    sha256 = model_card.card_sha256(card)
    record = JobRecord(job, name, version, sha256, "litert", 1, "out.csv", "afar", 0.0)
    app = make_app(fleet.server.url, "producer")
    queue = JobQueue(fleet.client, app, record, Settings())
    queue.touch(PublishedProgress(JobCounts(1)))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_an_import_and_its_evaluation_run_on_the_owners_machine(
    fleet: Fleet, store: Path, tmp_path: Path
) -> None:
    labels = packaged.card().labels
    draw(tmp_path / "drawn", (1, 8), 6)
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    (tmp_path / "mine.keras").write_bytes(hostile_keras_archives.saved(model, tmp_path))
    (tmp_path / "labels.txt").write_text("\n".join(labels), encoding="utf-8")
    arguments = ["--labels", str(tmp_path / "labels.txt"), "--name", "mine", "--json"]
    output = succeed("import", str(tmp_path / "mine.keras"), *arguments)
    trained = msgspec.json.decode(output, type=Trained)
    assert (trained.model, Registry(store).versions("mine")) == ("mine@1", [1])
    plots = str(tmp_path / "pictures")
    output = succeed(
        "evaluate", "mine", "--data", str(tmp_path / "drawn"), "--pictures", plots, "--json"
    )
    evaluated = msgspec.json.decode(output, type=Evaluated)
    assert (evaluated.model, evaluated.evaluation.count) == ("mine@1", 12)
    assert {path.name for path in Path(plots).iterdir()} == {"confusion.png", "reliability.png"}
