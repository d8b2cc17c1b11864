"""Workers serve a new version without a restart; a running job keeps its version."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import keys
from shared.errors import Exit
from shared.registry import mirror_writer
from shared.registry.registry import Registry
from tests.support.images.gallery import Gallery
from tests.support.jobs import expected_table, model_versions
from tests.support.jobs.claims import catch
from tests.support.processes import in_process, procfs
from tests.support.processes.fleet import SHORT_TIMES, Fleet, Producer, Worker, wait_for
from tests.support.servers.redis_server import RedisServer

BUSY = "accurate"  #: slow enough for a test to find it busy
SMALL = "tutorial"  #: published in a third of the time
LONG, SHORT = 400, 64  #: images of a job
#: The old version is evicted by a batch of the new one after this.
UNUSED_S = 4


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "store")


@pytest.fixture
def workers(server: RedisServer) -> Iterator[Fleet]:
    sizes = {"HANGTAG_BATCH_IMAGES": "32"}  # the short job's batches are claimed in turn
    with Fleet(server, **SHORT_TIMES, **sizes, HANGTAG_MODEL_UNUSED_S=str(UNUSED_S)) as running:
        yield running


def test_a_running_job_keeps_its_version_and_the_next_has_the_new_one(
    workers: Fleet, images: Gallery, registry: Registry, tmp_path: Path
) -> None:
    old, new = (model_versions.publish(registry, recipe, 0) for recipe in (BUSY, SMALL))
    mirror_writer.publish(workers.client, registry)
    worker = workers.worker(1)
    children = worker.children
    paths = images.paths[:LONG]
    long = start(workers, images, tmp_path / "long.csv", paths)
    held = catch(workers.client, children)
    promote(workers, registry, new)
    short = start(workers, images, tmp_path / "short.csv", paths[:SHORT])
    wait_for("images of both jobs", lambda: len(payloads(workers)) == 2)
    procfs.go_on(held.child)
    finish(short, expected_table.table(images.cwd, paths[:SHORT], version=new))
    finish(long, expected_table.table(images.cwd, paths, version=old))
    order = order_of_versions(worker)
    assert {order[0], order[-1]} == {old.card.ref}
    assert set(order) == {old.card.ref, new.card.ref}
    assert worker.log.count(" (litert) is loaded") == 2
    time.sleep(UNUSED_S)
    after = tmp_path / "after.csv"
    done = in_process.run(workers, *classify(after, paths[:1]), cwd=images.cwd)
    assert done.code == Exit.OK, done.story
    assert after.read_bytes() == table_of_first(short)
    worker.wait_for_log(f"{old.card.ref} (litert) is evicted")
    assert worker.children == children


def start(workers: Fleet, images: Gallery, output: Path, paths: list[str]) -> Producer:
    return workers.producer(*classify(output, paths), cwd=images.cwd)


def classify(output: Path, paths: list[str]) -> tuple[str, ...]:
    """The arguments of a job of these images."""
    listed = output.with_suffix(".txt")
    listed.write_text("".join(f"{path}\n" for path in paths))
    options = ("-o", str(output), "--model", model_versions.NAME)
    return ("classify", "--list", str(listed), *options)


def promote(workers: Fleet, registry: Registry, version: expected_table.Version) -> None:
    registry.promote(model_versions.NAME, version.card.version)
    mirror_writer.publish(workers.client, registry)


def finish(producer: Producer, table: bytes) -> None:
    assert producer.wait() == 0, producer.story
    assert producer.output.read_bytes() == table


def table_of_first(producer: Producer) -> bytes:
    """The table of the first image alone."""
    return b"".join(producer.output.read_bytes().splitlines(keepends=True)[:2])


def payloads(workers: Fleet) -> list[bytes]:
    """The payload key of each job with images in Redis."""
    return list(workers.client.scan_iter(keys.job("*", "payload")))


def order_of_versions(worker: Worker) -> list[str]:
    """The versions that were used, in order, until both jobs were done."""
    versions = re.findall(r"'(\S+@\d+)'\]\)", worker.log)  # a child logs the version used last
    return [version for version, _ in itertools.groupby(versions)]
