"""A real producer that may die before any of its steps; the oracle follows its writes to Redis."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from redis.exceptions import RedisError

from producer.job.job_properties import Pinned
from producer.job.journal import Journal
from producer.job.records import FrozenBatch, StoredResult
from producer.machine.stack import BrokerSession
from producer.present.events import Events
from producer.run.connect import Attempt, OpenJob
from producer.run.job_queue import JobQueue, PublishedProgress, Result
from producer.run.loop import DispatchLoop
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from shared.errors import Exit
from shared.ledger.batch_ledger import LOADING, BatchState
from shared.stop import unstoppable
from tests.integration.state_machines.batches.files import GARBAGE
from tests.integration.state_machines.batches.model import LedgerModel
from tests.integration.state_machines.batches.world import (
    CARD,
    RECORD,
    SETTINGS,
    TOO_LARGE,
    World,
)
from tests.mutants.promise import agree, promise


class Died(Exception):
    """The producer's process ended at this point."""


class Fuse:
    """Raises a fault at the producer's n-th half step from now; None: no fault.

    Each step counts twice: Redis may fail before the command or before its reply.
    """

    def __init__(self) -> None:
        self.left: int | None = None
        self.error: type[Exception] = Died

    @contextmanager
    def step(self, in_redis: bool = True) -> Iterator[None]:
        self.burn(in_redis)
        yield
        self.burn(in_redis)

    def burn(self, in_redis: bool) -> None:
        if self.left is None or not (in_redis or self.error is Died):
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise self.error


class WatchedJournal(Journal):
    """The real journal of a producer that may die before a commit."""

    def __init__(self, path: Path, fuse: Fuse) -> None:
        super().__init__(path)
        self._fuse = fuse

    def commit(
        self,
        frozen: Iterable[FrozenBatch] = (),
        results: Iterable[StoredResult] = (),
        **also: bytes,
    ) -> None:
        with self._fuse.step(in_redis=False):
            super().commit(frozen, results, **also)


class WatchedQueue(JobQueue):
    """The real queue of a producer that may die before each step. The oracle follows."""

    def __init__(self, world: World, journal: Journal, fuse: Fuse) -> None:
        super().__init__(world.client, world.app, RECORD, SETTINGS)
        self._world, self._journal, self._fuse = world, journal, fuse

    @property
    def _model(self) -> LedgerModel:
        return self._world.model

    def resume(self) -> None:
        with self._fuse.step():
            super().resume()
            self._model.state = "running"
            self._model.trouble.clear()
            self._model.crashed.pop(LOADING, None)

    def touch(self, progress: PublishedProgress) -> None:
        with self._fuse.step():
            super().touch(progress)
            self._model.known = True
            self._model.state = self._model.state or "running"

    def offer(self, batches: Iterable[tuple[int, bytes]]) -> None:
        for n, blob in batches:
            with self._fuse.step():
                try:
                    super().offer([(n, blob)])
                finally:  # the fault may come between the payload and the hint
                    self._model.payload.add(n)

    def hint(self, batch: int) -> None:
        with self._fuse.step():
            super().hint(batch)

    def results(self, block_ms: int) -> list[Result]:
        with self._fuse.step():
            return super().results(0)

    def trim(self, results: Sequence[Result]) -> None:
        for result in results:
            committed = self._journal.open_count(result.batch) is None
            promise(committed or result.data in (GARBAGE, TOO_LARGE))
        with self._fuse.step():
            super().trim(results)
            del self._model.results[: len(results)]

    def survey(
        self, batches: Sequence[int], workers: Collection[str] = ()
    ) -> tuple[str, list[BatchState]]:
        with self._fuse.step():
            expected = self._model.survey(batches, workers, self._world.now_ms())
            agree(super().survey(batches, workers), expected)
            return expected

    def reopen(self, batch: int) -> None:
        with self._fuse.step():
            super().reopen(batch)
            self._model.done.discard(batch)

    def finish(self) -> None:
        self._fuse.burn(in_redis=False)  # an outage of Redis no longer affects the job
        super().finish()
        self._model.forget_job()


class Producer:
    """One process of `hangtag classify`, run turn by turn."""

    def __init__(self, world: World, fuse: Fuse) -> None:
        self.journal = WatchedJournal(world.journal, fuse)
        self._queue = WatchedQueue(world, self.journal, fuse)
        try:
            self._queue.resume()
            self.run = DispatchLoop(
                Attempt(SETTINGS, Events(), unstoppable(), BrokerSession(SETTINGS)),
                OpenJob(
                    Pinned(RECORD, CARD, world.options),
                    self.journal,
                    self._queue,
                    RowFiles(JobSources(world.options)),
                ),
            )
            for n in self.journal.open_batches():  # as at the start of `execute`
                self.run._reconciler.offered(n)
        except Exception:
            self.close()
            raise

    def turn(self, look: bool) -> Exit | None:
        """One turn of its loop; how the job ended, if it did. Of errors it catches RedisError."""
        self.run._poll_due = 0.0 if look else float("inf")
        with suppress(RedisError):
            self.run._turn()
        if not self.run._ended():
            return None
        self._queue.finish()
        return self.run._outcome()

    def close(self) -> None:
        """Close what the system closes when a process ends."""
        self.journal.close()
