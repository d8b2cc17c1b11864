"""The copies of a version in Redis are tampered with: workers refuse it, report why, and wait."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest
import redis

from shared import keys, runtimes
from shared.errors import Exit
from shared.messages.model_card import Card, encode_card
from shared.registry import mirror_writer, packaged
from shared.registry.registry import Registry
from tests.support.images import gallery, hostile_keras_archives
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs import expected_table, model_versions
from tests.support.jobs.claims import job_keys
from tests.support.jobs.expected_table import Version
from tests.support.processes.fleet import SHORT_TIMES, Fleet, wait_for
from tests.support.servers.redis_server import RedisServer

IMAGES = 64
Tamper = Callable[[redis.Redis, Card], str]  #: returns the key that it has changed


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "store")


@pytest.fixture
def version(registry: Registry) -> Version:
    return model_versions.publish(registry, "tutorial", 0)


@pytest.fixture
def fleet(server: RedisServer) -> Iterator[Fleet]:
    with Fleet(server, **SHORT_TIMES) as running:
        yield running


def _blob(card: Card) -> str:
    return keys.blob(card.files[runtimes.find("litert").artifact])


def _card_key(card: Card) -> str:
    return keys.model_card(card.name, card.version)


def _flip(client: redis.Redis, card: Card) -> str:
    client.setrange(_blob(card), 1_000, b"\xff\x00\xff")
    return _blob(card)


def _another_file(client: redis.Redis, card: Card) -> str:
    """A valid file of another version."""
    client.set(_blob(card), packaged.read(runtimes.find("litert").artifact))
    return _blob(card)


def _no_string(client: redis.Redis, card: Card) -> str:
    client.delete(_blob(card))
    client.rpush(_blob(card), b"x")
    return _blob(card)


def _no_card(client: redis.Redis, card: Card) -> str:
    client.set(_card_key(card), b"\x80\x04rubbish")
    return _card_key(card)


def _another_card(client: redis.Redis, card: Card) -> str:
    """A card that names another file, which exists and matches the card."""
    data = packaged.read(runtimes.find("litert").artifact)
    sha256 = hashlib.sha256(data).hexdigest()
    client.set(keys.blob(sha256), data)
    files = {**card.files, runtimes.find("litert").artifact: sha256}
    client.set(_card_key(card), encode_card(msgspec.structs.replace(card, files=files)))
    return _card_key(card)


def _another_shape(client: redis.Redis, card: Card) -> str:
    wide = msgspec.structs.replace(card.preprocessing, height=1 << 30, width=1 << 30)
    client.set(_card_key(card), encode_card(msgspec.structs.replace(card, preprocessing=wide)))
    return _card_key(card)


#: What is changed -> the function, and what the producer then logs.
TAMPERS: dict[str, tuple[Tamper, str]] = {
    "file is damaged": (_flip, "does not match its card; publish it again"),
    "file is another's": (_another_file, "does not match its card; publish it again"),
    "file has the wrong type": (_no_string, "is not Hangtag's; delete it"),
    "card is rubbish": (_no_card, "not a model card"),
    "card names another file": (_another_card, "is not the version the job was submitted with"),
    "card has another shape": (_another_shape, "is not the version the job was submitted with"),
}


@pytest.mark.parametrize("name", [*TAMPERS])
def test_it_is_refused_and_the_job_waits_until_it_is_repaired(
    fleet: Fleet, registry: Registry, version: Version, images: Gallery, tmp_path: Path, name: str
) -> None:
    tamper, message = TAMPERS[name]
    mirror_writer.publish(fleet.client, registry)
    arguments = (
        "classify",
        FOLDER,
        "-o",
        str(tmp_path / "out.csv"),
        "--model",
        model_versions.NAME,
    )
    job = fleet.producer(*arguments, cwd=images.cwd)
    wait_for("hints", lambda: fleet.client.llen(keys.CLASSIFY_QUEUE))
    good = {key: fleet.client.get(key) for key in (_blob(version.card), _card_key(version.card))}
    key = tamper(fleet.client, version.card)
    worker = fleet.worker(1)
    children = worker.children
    job.wait_for_log(message)
    assert job.view is not None
    assert (job.running, job.view.done) == (True, 0)
    fleet.client.set(key, cast(bytes, good[key]))
    assert job.wait() == 0, job.story
    assert job.output.read_bytes() == expected_table.table(
        images.cwd, images.paths, version=version
    )
    assert job_keys(fleet.client) == []
    assert worker.children == children
    assert "Traceback" not in worker.log


def test_a_keras_file_with_code_is_refused_by_a_worker_and_no_code_runs(
    fleet: Fleet,
    version: Version,
    images: Gallery,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every hash matches, as for a malicious publisher."""
    marker = tmp_path / "marker"
    monkeypatch.setenv(hostile_keras_archives.MARKER, str(marker))
    archive = hostile_keras_archives.with_lambda(tmp_path)
    marker.unlink(missing_ok=True)  # building the archive may have run the code
    sha256 = hashlib.sha256(archive).hexdigest()
    card = msgspec.structs.replace(
        version.card, files={runtimes.find("tensorflow").artifact: sha256}
    )
    fleet.client.set(keys.blob(sha256), archive)
    fleet.client.set(_card_key(card), encode_card(card))
    options = ("-o", str(tmp_path / "out.csv"), "--model", card.ref, "--runtime", "tensorflow")
    job = fleet.producer("classify", FOLDER, *options, cwd=images.cwd)
    worker = fleet.worker(1, HANGTAG_TEST_MARKER=str(marker))
    children = worker.children
    job.wait_for_log("keras.layers.Lambda, which Hangtag does not load")
    assert job.view is not None
    assert (job.running, job.view.done) == (True, 0)
    assert not marker.exists()
    assert job.interrupt() == Exit.INTERRUPTED
    assert worker.children == children
    assert "Traceback" not in worker.log
