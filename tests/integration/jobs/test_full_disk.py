"""The disk of a job is full while its rows are written: the rows give way to the journal."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from producer.machine.stack import BrokerSession
from producer.present.events import Events
from producer.run.connect import Attempt, OpenJob
from producer.run.job import Job
from producer.run.job_queue import JobQueue
from producer.run.loop import DispatchLoop
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from producer.table.output_path import draft_of
from shared.broker.celery_app import make_app
from shared.broker.redis_client import connect
from shared.errors import SetupError
from shared.settings import Settings
from shared.stop import unstoppable
from tests.support.jobs.batchers import resumed_batcher
from tests.support.jobs.finished_job import answered, options_of, record, start
from tests.support.jobs.image_blobs import decode_images
from tests.support.machine.small_disk import mounted
from tests.support.servers.redis_server import RedisServer

FILES, BATCHES = 240, 12
#: Of a name: the rows that are written are larger than what one transaction adds to the journal.
LONG_NAME = 220

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to mount a small disk")


def finish_most(job: Job, settings: Settings) -> None:
    """Finish all batches but the last, and write their rows."""
    batches = resumed_batcher(job, settings)
    for _ in range(BATCHES - 1):
        batch = batches.next()
        assert batch is not None
        job.journal.commit([batch.frozen])
        record(job, batch.frozen.n, answered(decode_images(batch.blob)))
    job.table.advance(1e9)


@pytest.mark.parametrize("with_rows", [True, False])
def test_rows_that_are_written_early_make_room_for_the_journal(
    server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_rows: bool
) -> None:
    """Without them a job whose journal has no room stops, as ever."""
    monkeypatch.setattr("producer.table.table_file._WRITE_BUFFER_BYTES", 0)
    settings = Settings(redis_url=server.url, batch_images=FILES // BATCHES)
    with mounted(tmp_path / "disk", "8m") as disk:
        (disk.folder / "photos").mkdir()
        for n in range(FILES):
            (disk.folder / f"photos/{n:0{LONG_NAME}}.png").write_bytes(b"image %d" % n)
        with closing(Job(options_of(disk.folder, b"photos"))) as job:
            start(job, job.options)
            finish_most(job, settings)
            assert draft_of(job.output).exists()
            if not with_rows:
                job.table.stop_growing()
            queue = JobQueue(
                connect(server.url, "test"), make_app(server.url, "test"), job.record, settings
            )
            table, files = job.table, RowFiles(JobSources(job.options))
            loop = DispatchLoop(
                Attempt(settings, Events(), unstoppable(), BrokerSession(settings)),
                OpenJob(job.pinned, job.journal, queue, files, table),
            )
            disk.fill(0)
            if with_rows:
                loop._turn()
                assert not draft_of(job.output).exists()
                assert job.journal.open_batches() == [BATCHES - 1]
            else:
                with pytest.raises(SetupError, match="free space, run again"):
                    loop._turn()
