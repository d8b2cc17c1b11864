"""The scenario of a fault test: a fleet, images to classify, and the checks at the end."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from shared import keys
from shared.errors import Exit
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.claims import Held, catch, job_keys
from tests.support.processes import procfs
from tests.support.processes.fleet import (
    BATCH_IMAGES,
    PRODUCT_PROGRAM,
    Fleet,
    Producer,
    Worker,
    wait_for,
)
from tests.support.servers.leftover_keys import check_none

#: tests/faults/apps/unrepeated_hints.py, and its variable.
_UNREPEATED, _REPEATS = ("tests.faults.apps.unrepeated_hints",), "HANGTAG_TEST_REPEATS"


class Scenario:
    """One test's fleet, images and folder. `chance` chooses its random moments."""

    def __init__(self, fleet: Fleet, gallery: Gallery, folder: Path, chance: random.Random) -> None:
        self.fleet, self.gallery, self.folder, self.chance = fleet, gallery, folder, chance
        self._repeats = folder / "hints may be repeated"

    @property
    def output(self) -> Path:
        """The table of this test's job."""
        return self.folder / "out.csv"

    def classify(
        self, *options: str, program: Sequence[str] = PRODUCT_PROGRAM, **settings: str
    ) -> Producer:
        """`hangtag classify pictures -o out.csv`: the same command each time."""
        arguments = ("classify", FOLDER, "-o", str(self.output), *options)
        return self.fleet.producer(*arguments, cwd=self.gallery.cwd, program=program, **settings)

    def classify_without_repeats(self, *options: str, **settings: str) -> Producer:
        """`classify` with a producer that repeats no lost hint before `allow_repeats`."""
        settings = {_REPEATS: str(self._repeats), **settings}
        return self.classify(*options, program=_UNREPEATED, **settings)

    def allow_repeats(self) -> None:
        """The fault may have cost a hint that only a repetition replaces."""
        self._repeats.touch()

    def hangtag(self, *arguments: str) -> Producer:
        """Run another command to its end."""
        command = self.fleet.producer(*arguments, cwd=self.gallery.cwd)
        command.wait()
        return command

    def reach_the_middle(self, producer: Producer) -> None:
        """Wait until a random part of the images is done, at most 30 %."""
        producer.wait_until_done(int(len(self.gallery.paths) * self.chance.uniform(0.02, 0.3)))

    def catch(self, producer: Producer, *workers: Worker) -> Held:
        """Stop a child of these workers that holds a live claim while work is outstanding."""
        held = self.catch_unfinished(producer, *workers)
        self.check_outstanding(producer)
        return held

    def catch_unfinished(self, producer: Producer, *workers: Worker) -> Held:
        """Like `catch`, but possibly with the job's last batch."""
        assert producer.running, producer.story
        return catch(self.fleet.client, [pid for worker in workers for pid in worker.children])

    def catch_all(self, producer: Producer, worker: Worker) -> Held:
        """Stop every child of a worker while it holds a live claim; returns the first one. The
        producer alone repeats a hint that a child had read and that made no claim yet."""
        first = self.catch(producer, worker)
        for child in set(worker.children) - {first.child}:
            catch(self.fleet.client, [child])
        return first

    def let_go(self, held: Held) -> None:
        """Continue the process that was stopped."""
        procfs.go_on(held.child)

    def wait_for_result(self, held: Held) -> None:
        """Wait until this batch has a result, of any process."""
        client, done = self.fleet.client, keys.job(held.job, "done")
        wait_for(
            f"the result of batch {held.batch}",
            lambda: (
                client.getbit(done, held.batch) or not client.exists(keys.job(held.job, "record"))
            ),
        )

    def check_outstanding(self, producer: Producer) -> None:
        """Check that there are batches without a result; otherwise the fault met no work."""
        view = producer.view
        assert view is not None
        assert view.done < view.images, "no batch was under way"
        assert view.done < len(self.gallery.paths) - BATCH_IMAGES, "the job was nearly finished"

    def check_finished(self, producer: Producer, code: Exit = Exit.OK) -> None:
        """Check the exit code, the bytes of the table, and that Redis has no key of the job."""
        assert producer.wait() == code, producer.story
        print(producer.log)
        self.check_table(self.output.read_bytes())
        assert job_keys(self.fleet.client) == []
        check_none(self.fleet.client)

    def check_table(self, table: bytes) -> None:
        """Check one row for each file, in path order, byte for byte as a plain loop writes it."""
        rows = table.splitlines()
        assert [row.split(b",")[0].decode() for row in rows[1:]] == self.gallery.paths
        assert table == self.gallery.table

    def check_nothing_runs(self, *workers: Worker) -> None:
        """Check that workers end on SIGTERM, and that no other process is left."""
        for worker in workers:
            assert worker.end() == 0, worker.story
        assert self.fleet.pids == []
