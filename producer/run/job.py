"""A job: started once, pinned to a model version, resumed until it is finished."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from io import BufferedRandom
from pathlib import Path
from typing import IO

import msgspec

from producer.job.job_index import IndexedJob, ids_of, remember, set_model
from producer.job.job_options import (
    ErrorBudget,
    JobOptions,
    differences,
    encode_options,
)
from producer.job.job_properties import (
    ATTEMPT,
    PRODUCER,
    TABLE,
    AttemptResult,
    Pinned,
)
from producer.job.journal import WALKED, Journal, discard_next, journal_path
from producer.job.skipped import SKIPPED, UNLISTED, Unlisted
from producer.job.snapshot import read_snapshot
from producer.run.job_table import JobTable
from producer.sources.job_sources import as_started
from producer.sources.lists import check_names, is_empty, is_grown, record, without_secrets
from producer.sources.lists import forget as forget_list
from producer.table.display_options import (
    DISPLAY,
    DisplayOptions,
    asked_display,
    make_table,
)
from producer.table.output_path import check_folder
from producer.table.table_file import PART, check_part, sha256_of
from producer.table.table_formats import check_columns
from shared.errors import Exit, HangtagError, SetupError, UsageError
from shared.messages.batch import JobRecord, encode_job
from shared.messages.model_card import Card, encode_card
from shared.process import child_id


class Job:
    """One job's journal, opened by this process exclusively.

    `pinned` and the properties that read it are available once the job has started.
    """

    def __init__(
        self,
        options: JobOptions,
        display: DisplayOptions | None = None,
        check: Callable[[], None] = lambda: None,
        journal: Journal | None = None,
    ) -> None:
        """Open or create the journal, or take the open one that is to replace it. `display` stands
        for the display options; those that are not given are those of the job. `check` may end the
        reading of a long journal.

        Raises:
            UsageError: the job runs already, has other options, or the output is a foreign file.
            SetupError: the journal cannot be written or read.
        """
        self.options, restart = options, options.restart
        self.output = Path(options.output)
        path = journal_path(options.output)
        if not os.path.exists(path):
            check_part(self.output)
            if not restart:
                _check_output(self.output)
        #: The earlier jobs of this output that this one replaces, including those that an
        #: interrupted restart was replacing.
        self.replaced = ids_of(str(self.output)) | (self._id_of_old() if restart else set())
        self.journal = journal or Journal(path, restart, check)
        display = display or asked_display(options)
        self.table = JobTable(self.journal, self.output, lambda: self.pinned, display)
        #: Whether the journal still has an earlier job, which `start` replaces.
        self._earlier = restart and self.journal.has_job
        self._pinned: Pinned | None = None
        #: The list from standard input, if its record lacks the secrets of addresses.
        self.listed: IO[bytes] | None = None
        #: Recorded lists that are removed at the end, unless the journal names them.
        self._lists = {self._recorded_list() if restart else ""}
        try:
            if not restart and not self.journal.has_started:
                _check_output(self.output)  # also beside a journal that a killed process has left
            if not self._earlier:
                self._check_options()
        except HangtagError:
            self.close()
            raise

    @property
    def has_started(self) -> bool:
        """Whether a model version was pinned."""
        return not self._earlier and self.journal.has_started

    @property
    def pinned(self) -> Pinned:
        """The job's record, card and options, decoded once. Raises BadMessage."""
        if self._pinned is None:
            self._pinned = Pinned(self.journal.record, self.journal.card, self.options)
        return self._pinned

    @property
    def record(self) -> JobRecord:
        """The record that workers read."""
        return self.pinned.record

    @property
    def card(self) -> Card:
        return self.pinned.card

    @property
    def exit_code(self) -> Exit | None:
        """The exit code of a finished job; None before."""
        return None if self._earlier else self.journal.exit_code

    def start(self, pinned: Pinned, **also: bytes) -> None:
        """Start the job with this version and these properties, and replace an earlier job of this
        output.

        Raises:
            SetupError: the version has no threshold for --accept, or the journal cannot be written.
        """
        pinned = pinned._replace(options=as_started(pinned.options))
        check_columns(self.options.form, make_table(pinned, self.table.display))
        record, card, self.options = pinned
        # First, because a started job is not indexed again. An entry without a job is harmless.
        remember(IndexedJob(record.id, str(self.output), record.created, card.ref))
        self.journal.start(
            record=encode_job(record),
            card=encode_card(card),
            options=encode_options(self.options),
            # With --restart, the file that is there may be replaced.
            **{TABLE: sha256_of(self.output).encode(), PART: self.table.part()},
            **{DISPLAY: msgspec.json.encode(self.table.display)},
            **also,
        )
        self._earlier = False
        self._pinned = pinned
        discard_next(self.output)  # an interrupted update of the job that it replaces

    def take_list(self, listed: BufferedRandom) -> None:
        """Record the list of paths from standard input, if the job has not the same; an empty one
        stands for the recorded one.

        Raises:
            UsageError: it has not the lines that the job was started with, first.
            SetupError: it cannot be written.
        """
        with without_secrets(listed, self.options) as public:
            if public is not listed:
                self.listed = open(os.dup(listed.fileno()), "rb")  # noqa: SIM115  as this job
            if self.has_started and (is_empty(public) or not is_grown(public, self.options)):
                return
            if self.has_started:
                listed.seek(0)
                check_names(listed, self.options, True)
            suffix = record(public, str(self.output))
        self._lists |= {suffix, self.options.list_suffix}
        self.options = msgspec.structs.replace(self.options, list_suffix=suffix)
        if self.has_started:
            stored = msgspec.structs.replace(self.journal.options, list_suffix=suffix)
            self.journal.put(options=encode_options(stored))
            self._pinned = None

    def repeat_failed(self) -> int:
        """Schedule the failed rows again, also of a finished job; return their number.

        An interrupted retry is resumed: rows that failed in it again wait for the next retry. After
        a retry that exceeded its budget, all failed rows are scheduled.
        """
        if self.journal.repeating and self.journal.stopped is not Exit.BUDGET:
            return self.journal.repeating
        if self.exit_code is not None:
            set_model(self.record.id, self.card.ref)
            self.journal.put(**{WALKED: b"1"})
        return self.journal.repeat(self.record.top_k) if self.journal.totals.failed else 0

    def store_attempt(self, budget: ErrorBudget) -> None:
        """Store the state that holds if this process dies, the budget that `collect` uses, and the
        process, by which `submit` recognizes its producer."""
        self.journal.put(
            stopped=b"%d" % Exit.INTERRUPTED,
            budget=msgspec.json.encode(budget),
            **{
                ATTEMPT: msgspec.json.encode(AttemptResult()),
                PRODUCER: child_id(os.getpid()).encode(),
            },
        )

    def store_stop(self, code: Exit, attempt: AttemptResult | None = None) -> None:
        """Store why an attempt ended before the job, for `status`."""
        properties = {"stopped": b"%d" % code}
        if attempt is not None:
            properties[ATTEMPT] = msgspec.json.encode(attempt)
        self.journal.put(**properties)

    def finish(
        self,
        code: Exit,
        sha256: str,
        unlisted: Unlisted | None = None,
        attempt: AttemptResult | None = None,
    ) -> None:
        """Store the exit code of the job, whose table with this SHA-256 is in place."""
        self.table.remove_part()
        properties = {"exit": b"%d" % code, **self.table.written(sha256)}
        if unlisted is not None:
            properties[UNLISTED] = msgspec.json.encode(unlisted)
        if attempt is not None:
            properties[ATTEMPT] = msgspec.json.encode(attempt)
            properties[SKIPPED] = msgspec.json.encode(attempt.skipped)
        self.journal.put(**properties)
        with suppress(SetupError):  # the job is finished; only its version is kept for longer
            set_model(self.record.id, "")

    def code_within(self, budget: ErrorBudget) -> Exit:
        """How a job that has all rows ends within this budget."""
        totals = self.journal.totals
        if budget.exceeded(totals.failed, totals.done, finished=True):
            return Exit.BUDGET
        lacks = totals.failed or self.journal.unlisted.count
        return Exit.SOME_FAILED if lacks else Exit.OK

    def judge(self, budget: ErrorBudget) -> Exit:
        """The exit code of the finished job within this budget; a changed one is stored."""
        if self.exit_code is Exit.SETUP:
            return Exit.SETUP  # its form has no room for its rows
        code = self.code_within(budget)
        if code is not self.exit_code:
            self.journal.put(exit=b"%d" % code, budget=msgspec.json.encode(budget))
        return code

    def close(self) -> None:
        """Close the journal; remove that of a job that never started, and a table that has not all
        of its rows."""
        self.table.stop_growing()
        if self.listed is not None:
            self.listed.close()
        for suffix in self._lists - {""}:
            if suffix != self._recorded_list():
                forget_list(str(self.output), suffix)
        has_job = self.journal.is_replaced or self._earlier or self.has_started
        self.journal.close(remove=not has_job)

    def _recorded_list(self) -> str:
        """What the name of the list that the journal names adds to that of the table; or empty."""
        if self.journal.is_replaced:
            return self.options.list_suffix
        with suppress(HangtagError):
            return self.journal.options.list_suffix
        return ""

    def _id_of_old(self) -> set[str]:
        view = read_snapshot(self.output)
        return set() if view is None else {view.job} - {""}

    def _check_options(self) -> None:
        if self.journal.get("options") is None:
            return
        stored = self.journal.options
        if self.journal.has_started:
            _ = self.journal.record  # a newer one is refused before a notice
        other = differences(self.options, stored)
        if other:
            raise UsageError(
                f"{self.output} was started with other options ({', '.join(other)}); "
                "use the same options, another -o, or --restart"
            )
        if self.options.transport != stored.transport and self.exit_code is None:
            stored = msgspec.structs.replace(stored, transport=self.options.transport)
            self.journal.put(options=encode_options(stored))  # `collect` uses them
        self.options = msgspec.structs.replace(
            self.options,
            form=stored.form,
            top_k=stored.top_k,
            probabilities=stored.probabilities,
            max_file_bytes=stored.max_file_bytes,
            file_roots=stored.file_roots,
            pattern_roots=stored.pattern_roots,
            kinds=stored.kinds,
            list_suffix=stored.list_suffix,
        )
        self.table.resume(self.exit_code is not None)


def _check_output(output: Path) -> None:
    if os.path.lexists(output):
        raise UsageError(
            f"{output} exists and is not a table of a job that can be resumed; "
            "choose another -o, or replace it with --restart"
        )
    check_folder(output)
