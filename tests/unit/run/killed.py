"""A table that an update brings up to date, and the checks after a process was killed in it."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import closing
from pathlib import Path

from producer.job.row_batch import Rules
from producer.job.sealed_journal import SealedJournal
from producer.run.job import Job
from producer.table.check_rows import table_problems
from producer.table.display_options import ALL_CORRECTIONS, DisplayOptions
from producer.table.person_labels import labels_now
from tests.support.failpoints.armed import Points, Shot
from tests.support.jobs.decided import correct
from tests.support.jobs.finished_job import RUBBISH, finish, options_of
from tests.support.jobs.updated_job import update
from tests.support.jobs.updating_process import killed_at

CONTENTS = [b"red", b"blue", b"green", RUBBISH, b"blue", b"grey", b"pink", b"odd"]


class Stage:
    """A folder in which a file was added, one was changed and one was removed since its table was
    written. A person has decided about two files, whose rows get other numbers."""

    def __init__(self, folder: Path) -> None:
        self._kept, self.folder = folder / "before", folder / "job"
        self.options = options_of(self.folder, b"in")
        self.table = self.folder / "out.csv"
        (self.folder / "in").mkdir(parents=True)
        for n, content in enumerate(CONTENTS):
            self._write(f"{n}.png", content)
        finish(self.options)
        correct(self.table, b"blue", "hat", 2, 5)
        with closing(Job(self.options, display=DisplayOptions(corrections=ALL_CORRECTIONS))) as job:
            job.table.render()
        self.old = self.table.read_bytes()
        self._write("0-new.png", b"blue")
        self._write("5.png", b"white")
        (self.folder / "in/2.png").unlink()
        shutil.copytree(self.folder, self._kept)
        update(self.options)
        self.new = self.table.read_bytes()
        self.files = sorted(os.listdir(self.folder))
        self.reset()

    def _write(self, name: str, content: bytes) -> None:
        path = self.folder / "in" / name
        path.write_bytes(content)
        os.utime(path, (0, len(content)))

    def reset(self) -> None:
        """As before the update."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._kept, self.folder)

    def check_killed(self, shot: Shot, points: Points) -> None:
        """Kill an update there; the table and its journal are the old ones or the new ones. The
        same command goes on."""
        assert killed_at(self.options, shot, points) == -signal.SIGKILL, shot
        self._check_consistent(shot)
        update(self.options)
        assert self.table.read_bytes() == self.new, shot
        assert sorted(os.listdir(self.folder)) == self.files, shot
        self._check_consistent(shot)

    def _check_consistent(self, shot: Shot) -> None:
        """The table is the old one or the new one, and the journal has its rows. Between the two
        renames the new journal lacks its table, as that of any job that was killed at its end."""
        now = self.table.read_bytes()
        assert now in (self.old, self.new), shot
        with SealedJournal(self.table) as sealed:
            names = {name for names in sealed.names() for name in names}
            new = {b"in/0-new.png"} & names
            if sealed.finished:
                assert list(table_problems(self.table, sealed)) == [], shot
                assert bool(new) == (now == self.new), shot
            else:
                assert new, shot
                assert not sealed.open_batches(), shot
            given_labels = labels_now(self.table, sealed.card.labels)
            decided = {
                batch.names[i]
                for batch in sealed.row_batches(Rules(given_labels=given_labels))
                for i in batch.given_labels
            }
        assert decided == {b"in/1.png", b"in/4.png"} | new, shot
