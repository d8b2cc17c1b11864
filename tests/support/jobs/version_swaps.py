"""Jobs of one batch, each pinned to another version, in quick succession."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from types import TracebackType

from producer.job.totals import JobCounts
from producer.run.job_queue import JobQueue, PublishedProgress, Result
from shared.broker.celery_app import make_app
from shared.broker.redis_client import connect
from shared.messages import model_card
from shared.messages.batch import JobRecord, decode_result, encode_images
from shared.settings import Settings
from tests.support.jobs import expected_table
from tests.support.jobs.expected_table import Version
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer

_BLOCK_MS = 200
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


class Swaps:
    """The same images, classified by one version after the other."""

    def __init__(self, server: RedisServer, images: Sequence[bytes]) -> None:
        self._images = images
        self._client = connect(server.url, "test")
        self._app = make_app(server.url, "test")

    def __enter__(self) -> Swaps:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._client.close()
        self._app.close()

    def check(self, version: Version) -> None:
        """Compare a worker's result of this version with a direct call of its file."""
        queue = JobQueue(self._client, self._app, _record(version), Settings())
        queue.touch(PublishedProgress(JobCounts(len(self._images))))
        queue.offer([(0, encode_images(list(self._images)))])
        (result,) = wait_for("a result", lambda: _results(queue))
        queue.finish()
        model = version.load("litert")
        expected = expected_table.result(self._images, 1, version, model)
        assert decode_result(result.data, len(self._images)) == expected


def _results(queue: JobQueue) -> list[Result]:
    return queue.results(_BLOCK_MS)


def _record(version: Version) -> JobRecord:
    job = "".join(secrets.choice(_LETTERS[10:]) for _ in range(8))
    card = version.card
    pinned = model_card.card_sha256(card)
    return JobRecord(job, card.name, card.version, pinned, "litert", 1, "out.csv", "here", 0.0)
