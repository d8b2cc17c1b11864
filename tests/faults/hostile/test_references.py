"""A client that writes references into Redis can read only images below the workers' root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.job.totals import JobCounts
from producer.run.job_queue import JobQueue, PublishedProgress
from shared import keys
from shared.broker.celery_app import make_app
from shared.broker.redis_client import connect
from shared.errors import BadMessage, Unseen
from shared.ledger.batch_ledger import BatchState
from shared.messages.batch import JobRecord, encode_images
from shared.messages.files import Reference, stamp
from shared.registry import packaged
from shared.settings import Settings
from tests.support.images import gallery
from tests.support.jobs.claims import claims
from tests.support.servers.redis_server import RedisServer
from worker.classify.classify_batch import classify
from worker.classify.process_state import ProcessState

JOB = "abcdefgh"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with an image and links to a secret image beside the root."""
    (made,) = gallery.make(tmp_path / "made", 1).paths
    secret = tmp_path / "secret.png"
    secret.write_bytes((tmp_path / "made" / made).read_bytes())
    root = tmp_path / "root"
    root.mkdir()
    (root / "mine.png").write_bytes(secret.read_bytes())
    (root / "link").symlink_to(secret)
    (root / "folder").symlink_to(tmp_path)
    os.mkfifo(root / "fifo")
    return root


@pytest.fixture
def queue(server: RedisServer) -> Iterator[JobQueue]:
    card = packaged.card()
    record = JobRecord(
        JOB, card.name, card.version, packaged.card_sha256(), "litert", 1, "out.csv", "here", 0.0
    )
    app = make_app(server.url, "test")
    queue = JobQueue(connect(server.url, "test"), app, record, Settings())
    queue.touch(PublishedProgress(JobCounts(1)))
    yield queue
    queue.client.close()
    app.close()


@pytest.fixture
def child(server: RedisServer, root: Path) -> Iterator[ProcessState]:
    child = ProcessState(Settings(root=str(root)), server.url, "here:1:2")
    yield child
    child.client.close()


def refer(path: bytes, root: Path) -> Reference:
    """A reference with the correct stamp of the secret, invalid only by its path."""
    secret = stamp(os.stat(root.parent / "secret.png"))
    return Reference(path.replace(b"PARENT", bytes(root.parent)), secret)


def test_the_image_below_the_root_is_classified(
    queue: JobQueue, child: ProcessState, root: Path
) -> None:
    reference = Reference(b"mine.png", stamp(os.stat(root / "mine.png")))
    queue.offer([(0, encode_images([reference]))])
    assert classify(child, JOB, 0)[1:] == (1, {}, ["fashion-mnist@0"])
    assert queue.survey([0]) == ("running", [BatchState.DONE])


@pytest.mark.parametrize(
    "path",
    [
        b"../secret.png", b"PARENT/secret.png", b"link", b"folder/secret.png", b"./link",
        b"folder/../secret.png", b"folder/root/../secret.png", b"fifo", b"folder", b"secret.png",
        b"mine.png\0", b"mine.png", b"", b"/", b"a" * 5_000, b"/".join([b"a"] * 2_000),
    ],
    ids=lambda path: repr(path[:24]),
)  # fmt: skip
def test_no_other_file_is_read_and_the_batch_is_released(
    queue: JobQueue, child: ProcessState, root: Path, path: bytes
) -> None:
    """`mine.png` is below the root, but does not match the stamp in the message."""
    os.utime(root / "mine.png", ns=(0, 1))
    queue.offer([(0, encode_images([b"not an image", refer(path, root)]))])
    with pytest.raises((BadMessage, Unseen)) as caught:
        classify(child, JOB, 0)
    assert len(str(caught.value)) < 1_000
    assert queue.results(0) == []
    assert claims(queue.client) == []
    assert queue.survey([0]) == ("running", [BatchState.LOST])
    assert queue.trouble() == str(caught.value)
    assert queue.client.hlen(keys.job(JOB, "payload")) == 0


def test_a_huge_list_is_refused_before_a_file_is_read(
    queue: JobQueue, child: ProcessState, root: Path
) -> None:
    queue.offer([(0, encode_images([Reference(b"mine.png", (1 << 20, 1))] * 100_000))])
    with pytest.raises(Unseen, match="MiB"):
        classify(child, JOB, 0)
    assert queue.survey([0]) == ("running", [BatchState.LOST])
