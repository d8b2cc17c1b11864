"""The table of an opened job: rendered, placed, and recorded in the journal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from producer.job.job_properties import ANSWERS, TABLE, Pinned
from producer.job.journal import Journal
from producer.job.totals import AnswerCounts
from producer.present.formatting import typed
from producer.table.answer_counter import count_rows
from producer.table.display_options import (
    ALL_CORRECTIONS,
    DISPLAY,
    DisplayOptions,
    make_table,
    stored_display,
    with_current_corrections,
)
from producer.table.output_path import PART_SUFFIX
from producer.table.person_labels import Taken, notices, take_learned
from producer.table.table_file import (
    PART,
    PLACING,
    TableDraft,
    check_replaceable,
    is_own_part,
    sha256_of,
)
from producer.table.table_formats import TooManyRows, check_columns, check_rows
from shared.errors import HangtagError, SetupError
from shared.labels import labels_file
from shared.labels.label_line import LabelLine


class JobTable:
    """The table of a journal, displayed with the given options, and for the others as before."""

    def __init__(
        self,
        journal: Journal,
        output: Path,
        pinned: Callable[[], Pinned],
        display: DisplayOptions,
    ) -> None:
        self._journal, self._output, self._pinned = journal, output, pinned
        self.display = display
        self._answers: AnswerCounts | None = None  #: of the table that this process has written
        self._growing: TableDraft | None = None  #: the rows that are written while the job runs
        self._may_grow = True

    def resume(self, finished: bool) -> None:
        """Complete the options with those of the journal. Those of an unfinished job are stored.

        Raises:
            UsageError: the journal has fewer labels than they display, or the card no threshold.
            SetupError: the log of corrections has fewer than the table, or is damaged.
        """
        before = stored_display(self._journal)
        self.display = with_current_corrections(self.display, self._output, before).completed_by(
            before
        )
        if self.display == before:
            return
        check_columns(self.form, make_table(self._pinned(), self.display))
        if not finished:
            self._journal.put(**{DISPLAY: msgspec.json.encode(self.display)})  # `collect` uses them

    def follow_decisions(self) -> None:
        """Display every decision there is now, if the table has some: rows have other numbers than
        when people decided. Raises SetupError, as `resume`."""
        before = self.display
        if before.corrections:
            now = msgspec.structs.replace(before, corrections=ALL_CORRECTIONS)
            self.display = with_current_corrections(now, self._output, before)
            self._journal.put(**{DISPLAY: msgspec.json.encode(self.display)})

    def advance(self, seconds: float) -> None:
        """Write final rows for this time. A failure ends no job: all rows are written at the end,
        which reports what is still wrong."""
        if not self._may_grow:
            return
        until_s = time.monotonic() + seconds
        try:
            if self._growing is None:
                self._growing = self._draft(self._output)
            draft = self._growing
            draft.append(self._journal.final_row_batches(draft.rules, draft.end), until_s)
        except HangtagError:
            self.stop_growing()

    def stop_growing(self) -> bool:
        """Write no rows while the job runs. Returns whether there were some, whose space is free
        now."""
        self._may_grow = False
        draft, self._growing = self._growing, None
        if draft is not None:
            draft.close()
        return draft is not None

    @property
    def form(self) -> str:
        """The form of the file."""
        return self._pinned().options.form

    def take_learned(
        self, learned: Sequence[LabelLine], passed: Callable[[int], None] = lambda rows: None
    ) -> list[str]:
        """Make the labels that the version has learned decisions about the table, once all rows are
        there. A table that has all decisions so far has these, too, and so has a new one. `passed`
        gets the rows that were compared. Returns what to say: also why this is not possible."""
        if not learned:
            return []
        card = self._pinned().card
        try:
            taken = take_learned(self._output, self._journal, card.labels, learned, passed)
            if self._has_all(taken):
                size = labels_file.complete_size(labels_file.of_table(self._output))
                self.display = msgspec.structs.replace(self.display, corrections=size)
        except SetupError as error:
            return [f"corrections are not compared with the new rows: {error}"]
        return list(notices(taken, self._output, card))

    def _has_all(self, taken: Taken) -> bool:
        """Whether the table displays every decision."""
        if self.display.corrections is None:  # no person has chosen
            return bool(taken.learned)
        return self.display.corrections == taken.size

    @property
    def is_rendered(self) -> bool:
        """Whether the table of a finished job has these options, and was placed."""
        return self.display == stored_display(self._journal) and not self._journal.get(PLACING)

    def write_table(
        self,
        force: bool = False,
        passed: Callable[[int], None] = lambda rows: None,
        before_placed: Callable[[], None] = lambda: None,
    ) -> str:
        """Write the rows so far; return the SHA-256 of the table. `passed` gets the number of rows
        of each batch.

        Raises:
            UsageError: a file that this job has not written is in the table's place (unless
                `force`).
            TooManyRows: its form has no room for them.
            SetupError: it cannot be written.
        """
        self._check_rows()
        if not force:
            check_replaceable(self._journal, self._output)
        draft = self._growing
        if draft is None or draft.display != self.display:
            self.stop_growing()
            draft = self._draft(self._output)
        self._growing = None
        with closing(draft):
            sha256 = self._completed(draft, passed)
            own = {PLACING: sha256.encode()}
            # A killed process may have placed the table that the journal names so far.
            before = self._journal.get(PLACING)
            if before and before == sha256_of(self._output).encode():
                own[TABLE] = before
            self._journal.put(**own)
            before_placed()
            draft.place()
        return sha256

    def _check_rows(self) -> None:
        """Raises TooManyRows; the results are counted all the same."""
        try:
            check_rows(self.form, self._journal.totals.done, self._output)
        except TooManyRows:
            self._answers = self._counted_now()
            raise

    def write_part(
        self,
        part: Path,
        notice: Callable[[str], None] = lambda text: None,
        passed: Callable[[int], None] = lambda rows: None,
    ) -> str:
        """Write the rows so far to another file, and store the counts of the results; return its
        path. A file that this job has not written is not replaced: `notice` gets a line, and the
        path is empty. `passed` as for `write_table`.

        Raises:
            SetupError: the file or the journal cannot be written.
        """
        if os.path.lexists(part) and not is_own_part(self._journal, part):
            notice(
                f"{part} is not of its job, and is not replaced; write the rows so far with: "
                f"{typed(['hangtag', 'table', str(self._output), '-o'])} OTHER"
            )
            return ""
        try:
            self._check_rows()
        except TooManyRows as error:
            notice(str(error))
            return ""
        self.stop_growing()
        with closing(self._draft(part)) as draft:
            sha256 = self._completed(draft, passed)
            # A process that is killed now leaves the rows before.
            self._journal.put(**{PART: f"{sha256} {sha256_of(part)}".strip().encode()})
            draft.place()
        self._journal.put(**self.counted())
        return str(part)

    def part(self) -> bytes:
        """The digests of the rows so far that this output's job wrote last; empty if none, or if
        its journal cannot be read."""
        with suppress(SetupError):
            return self._journal.get(PART) or b""
        return b""

    def remove_part(self) -> None:
        """Remove the rows so far, unless the file has other bytes than the job wrote."""
        part = Path(f"{self._output}{PART_SUFFIX}")
        with suppress(OSError):  # it only stays for longer
            if is_own_part(self._journal, part):
                part.unlink()

    def _completed(self, draft: TableDraft, passed: Callable[[int], None]) -> str:
        """The SHA-256 of a table with all rows that there are."""
        sha256 = draft.complete(self._journal, passed)
        self._answers = draft.counter.counted()
        return sha256

    def _draft(self, output: Path) -> TableDraft:
        table = make_table(self._pinned(), self.display)
        return TableDraft(table, output, self.form, self.display)

    def render(
        self, force: bool = False, passed: Callable[[int], None] = lambda rows: None
    ) -> AnswerCounts:
        """Write the table of a finished job again; return the counts of its rows. Raises as
        `write_table`."""
        sha256 = self.write_table(force, passed)
        self._journal.put(**self.written(sha256))
        assert self._answers is not None
        return self._answers

    def written(self, sha256: str) -> dict[str, bytes]:
        """The properties of a job whose table is in place."""
        return {
            TABLE: sha256.encode(),
            PLACING: b"",
            DISPLAY: msgspec.json.encode(self.display),
            **self.counted(),
        }

    def counted(self) -> dict[str, bytes]:
        """The counts of the results, as a property, if a table was written."""
        return {} if self._answers is None else {ANSWERS: msgspec.json.encode(self._answers)}

    def _counted_now(self) -> AnswerCounts:
        table = make_table(self._pinned(), self.display)
        return count_rows(self._journal, table, self.display)
