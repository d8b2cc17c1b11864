"""The version of a job is removed from Redis while the job runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import keys
from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.registry import file_copies, mirror_writer
from shared.registry.registry import Registry
from tests.support.images.gallery import Gallery
from tests.support.jobs import expected_table, model_versions
from tests.support.jobs.claims import catch, job_keys
from tests.support.jobs.expected_table import Version
from tests.support.processes import procfs
from tests.support.processes.fleet import BATCH_IMAGES, SHORT_TIMES, Fleet, Producer
from tests.support.servers.redis_server import RedisServer

RECIPE = "accurate"  #: slow enough to catch a child with a batch in progress
IMAGES = 600


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "store")


@pytest.fixture
def version(registry: Registry) -> Version:
    return model_versions.publish(registry, RECIPE, 0)


@pytest.fixture
def fleet(server: RedisServer, registry: Registry, version: Version) -> Iterator[Fleet]:
    mirror_writer.publish(server.client, registry)
    with Fleet(server, **SHORT_TIMES) as running:
        yield running


def test_a_worker_that_has_loaded_it_finishes_the_job(
    fleet: Fleet, version: Version, images: Gallery, tmp_path: Path
) -> None:
    worker = fleet.worker(1)
    job = start(fleet, images, tmp_path)
    job.wait_until_done(BATCH_IMAGES)
    held = catch(fleet.client, worker.children)
    remove_copies(fleet, version.card)
    procfs.go_on(held.child)
    check_finished(job, images, version)


def test_a_worker_without_it_reports_so_and_the_job_waits_for_it(
    fleet: Fleet, version: Version, registry: Registry, images: Gallery, tmp_path: Path
) -> None:
    worker = fleet.worker(1)
    job = start(fleet, images, tmp_path)
    job.wait_until_done(BATCH_IMAGES)
    held = catch(fleet.client, worker.children)
    remove_copies(fleet, version.card)
    procfs.kill(held.child)  # the next child has nothing loaded
    job.wait_for_log(f"there is no model {version.card.name}; ")
    job.wait_for_log("start the job over with --restart")
    view = job.view
    assert job.running
    assert view is not None
    assert view.done < IMAGES - BATCH_IMAGES
    mirror_writer.publish(fleet.client, registry)
    check_finished(job, images, version)
    assert job_keys(fleet.client) == []


def test_a_job_whose_version_has_no_room_in_redis_waits_and_its_line_says_so(
    fleet: Fleet,
    version: Version,
    registry: Registry,
    images: Gallery,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remove_copies(fleet, version.card)
    fleet.client.config_set("maxmemory", 1 << 30)
    with monkeypatch.context() as small:
        small.setattr(file_copies, "COPIES_SHARE_MAX", 1e-6)
        with pytest.raises(SetupError, match="do not fit into"):
            mirror_writer.publish(fleet.client, registry)
    fleet.worker(1)
    job = start(fleet, images, tmp_path)
    job.wait_for_log(f"model.tflite of {version.card.ref} is not in Redis; start ")
    assert "make room there (raise Redis' maxmemory, or remove versions" in job.log
    mirror_writer.publish(fleet.client, registry)
    check_finished(job, images, version)


def start(fleet: Fleet, images: Gallery, folder: Path) -> Producer:
    listed = folder / "list"
    listed.write_text("".join(f"{path}\n" for path in images.paths[:IMAGES]))
    arguments = ("classify", "--list", str(listed), "-o", str(folder / "out.csv"))
    return fleet.producer(*arguments, "--model", model_versions.NAME, cwd=images.cwd)


def check_finished(job: Producer, images: Gallery, version: Version) -> None:
    assert job.wait() == 0, job.story
    paths = images.paths[:IMAGES]
    assert job.output.read_bytes() == expected_table.table(images.cwd, paths, version=version)


def remove_copies(fleet: Fleet, card: Card) -> None:
    """Delete the version from Redis, as `models prune` or an emptied server would."""
    copies = [keys.model_card(card.name, card.version), keys.model_history(card.name)]
    copies += [keys.blob(sha256) for sha256 in card.files.values()]
    assert fleet.client.delete(*copies) >= 3
