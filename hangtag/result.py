"""The rows of a job, and what commands do with a table."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from hangtag.arguments import checked_types
from hangtag.reporter import log_notice
from producer.job.columns import Table, Words, displayed_label
from producer.job.row_batch import Decision, RowBatch, marked
from producer.job.sealed_journal import SealedJournal
from producer.job.snapshot import JobState, JobView, check_readable, read_snapshot
from producer.job.totals import AnswerCounts
from producer.job_control import forget
from producer.pages.comparison import Comparison
from producer.pages.report import Written, write_report
from producer.pages.tables import compare_tables
from producer.run.render_table import CopyTarget, render_copy
from producer.sort_log.log import Way
from producer.sorting import sort as sorting
from producer.table.answer_counter import count_rows
from producer.table.display_options import DisplayOptions, stored_display, table_of
from producer.table.job_text import Sorted
from producer.table.promise import without_withdrawn
from producer.table.table_formats import CSV
from producer.table.verify import Proof
from producer.table.verify import verify as prove
from shared import installation
from shared.errors import HangtagError, SetupError, UsageError
from shared.image_status import BY_CODE, FLAGS, Flag, Status
from shared.settings import Settings

if TYPE_CHECKING:
    import pandas
    import pyarrow

#: pip's names by import names, of what tables need in memory.
_ARROW = {"pyarrow": "pyarrow"}
_PANDAS = {"pandas": "pandas"} | _ARROW


class Guess(msgspec.Struct, frozen=True):
    """A label of the model for one image."""

    label: str
    confidence: float  #: 0 to 1


class Row(msgspec.Struct, frozen=True):
    """One image. A row that failed has an empty label and no confidence."""

    name: str  #: the path as it was given, as of os.fsdecode; of an archive or an address its name
    label: str  #: that counts: a person's, else the model's; `unknown` if it is not accepted
    confidence: float | None  #: of the model's label, 0 to 1
    status: Status  #: `ok`, or why it failed; a str
    error: str  #: the status as a sentence; empty if `ok`
    flag: Flag  #: a warning; empty: none; a str
    person: str  #: the label that a person gave it (hangtag review); empty: none
    accepted: bool  #: whether `label` is a label, and not `unknown` or empty
    guesses: tuple[Guess, ...]  #: the model's labels, most probable first: 3, or all (docs)

    @property
    def guess(self) -> str:
        """The model's label, also of a row that is not accepted; empty if it failed."""
        return self.guesses[0].label if self.guesses else ""


class RowMaker:
    """Makes the rows of one table."""

    def __init__(self, table: Table) -> None:
        self._labels, self._rules = table.card.labels, table.rules
        self._label: Words = displayed_label(table.card.labels, table.rules)
        accepted = {Decision.ACCEPTED, Decision.PERSON}
        if table.rules.acceptance is None:
            accepted.add(Decision.FLAGGED)
        self._accepted = bytes(code in accepted for code in range(256))

    def rows(self, batch: RowBatch) -> Iterator[Row]:
        """The rows of a batch."""
        labels = map(self._label.words.__getitem__, self._label.codes(batch))
        made = map(
            Row,
            map(os.fsdecode, batch.names),
            labels,
            batch.confidences,
            map(BY_CODE.__getitem__, batch.statuses),
            repeat(""),
            map(FLAGS.__getitem__, batch.flags),
            map(batch.given_labels.get, range(len(batch)), repeat("")),
            map(bool, batch.decisions.translate(self._accepted)),
            zip(*self._guesses(batch), strict=True),
        )
        if not batch.failed:
            return made
        rows = list(made)
        for i in marked(batch.statuses):
            rows[i] = _failed(rows[i])
        return iter(rows)

    def _guesses(self, batch: RowBatch) -> Iterator[Iterator[Guess]]:
        """Of each rank the labels of all rows."""
        for rank in range(batch.k):
            labels = map(self._labels.__getitem__, batch.labels_at(rank))
            yield map(Guess, labels, batch.confidences_at(rank))


def _failed(row: Row) -> Row:
    """A row whose answers mean nothing."""
    return Row(row.name, "", None, row.status, row.status.sentence, Flag.NONE, "", False, ())


PREFIX = "hangtag-job-"
Target = str | os.PathLike[str]


class Scratch:
    """A temporary folder with the table of one job, which goes with the result."""

    def __init__(self, name: str, settings: Settings) -> None:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.table = folder / name
        self._remove = weakref.finalize(self, _removed, self.table, settings, os.getpid())

    @property
    def is_there(self) -> bool:
        return self._remove.alive

    def remove(self) -> None:
        """Remove the folder and all traces of its job."""
        self._remove()


def _removed(table: Path, settings: Settings, process: int) -> None:
    if os.getpid() != process:
        return  # a copy of the process has ended
    with suppress(HangtagError, OSError):
        forget.forget(forget.find(str(table)), settings)
    shutil.rmtree(table.parent, ignore_errors=True)


class Result:
    """The rows of one job. Iteration reads them from its journal, in bounded memory however many
    they are; while it lasts no other call can write to this table.

    A result without an output owns a temporary folder, which goes with it: at the end of its `with`
    block, at `close()`, when it is no longer used, or at the end of the process. A process that is
    killed leaves the folder, and the job in `hangtag status` (docs/python.md).
    """

    def __init__(self, output: Path, settings: Settings, folder: Scratch | None = None) -> None:
        """`hangtag.classify` and `hangtag.open_table` make results."""
        self._output, self._settings, self._folder = output, settings, folder
        self._check = True  #: whether the whole journal is to be checked
        self._view()  # raises for what is no job

    @property
    def output(self) -> Path:
        """The table."""
        return self._output

    @cached_property
    def job(self) -> str:
        """The id of the job."""
        return self._view().job

    @cached_property
    def model(self) -> str:
        """`NAME@VERSION`."""
        return self._view().model

    @property
    def finished(self) -> bool:
        """Whether every image has a row."""
        return self._view().exit_code is not None

    @property
    def failed(self) -> int:
        """The number of rows without a label."""
        return self._view().failed

    @property
    def flagged(self) -> dict[str, int]:
        """The number of rows with each flag, which may have a label."""
        return dict(self._view().flagged)

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows by the label of the model, the most frequent first. Neither thresholds
        nor people count: those show in the rows."""
        return dict(self.answers.labels)

    @property
    def accuracy(self) -> float | None:
        """Where folders are named like labels: the share of the rows in them, 0 to 1, to which the
        model gave this label. Failed rows do not count. None: no folder is named so."""
        answers = self.answers
        if not answers.in_label_folders:
            return None
        return answers.as_folder / answers.in_label_folders

    @property
    def answers(self) -> AnswerCounts:
        """All counts: labels, doubtful rows, failures with their first file, accepted rows and what
        share of them should be right."""
        view = self._view()
        with self._opened() as sealed:
            counted = view.answers if sealed.finished else None
            if counted is None:
                counted = count_rows(sealed, table_of(sealed), stored_display(sealed))
            return without_withdrawn(
                counted, sum(view.flagged.values()), sealed.card, sealed.options
            )

    def __len__(self) -> int:
        return self._view().done

    def __iter__(self) -> Iterator[Row]:
        with self._opened() as sealed:
            table = table_of(sealed)
            made = RowMaker(table)
            for batch in sealed.row_batches(table.rules):
                yield from made.rows(batch)

    @checked_types
    def to_csv(self, path: Target, *, force: bool = False) -> Path:
        """Write the rows as CSV, the same bytes as the command's table (docs/table.md).

        Raises:
            UsageError: the file exists (unless `force`), or its folder does not.
            SetupError: it cannot be written.
        """
        return self._written(path, CSV, force)

    @checked_types
    def to_parquet(self, path: Target, *, force: bool = False) -> Path:
        """Write the rows as Parquet, with unrounded confidences (float32) and words as
        dictionaries. Raises as `to_csv`, and SetupError without pyarrow."""
        return self._written(path, "parquet", force)

    def to_arrow(self) -> pyarrow.Table:
        """All rows in memory as a `pyarrow.Table`, with the columns of the table: names as string,
        words as dictionaries, confidences as float32. A cell that the table has empty is null.

        Raises:
            SetupError: pyarrow is missing.
        """
        _check_installed(_ARROW, "parquet")
        import pyarrow

        from producer.table.parquet import ArrowRows

        with self._opened() as sealed:
            table = table_of(sealed)
            made = ArrowRows(table)
            batches = [made.batch(batch) for batch in sealed.row_batches(table.rules)]
        return pyarrow.Table.from_batches(batches, schema=made.schema)

    def to_pandas(self) -> pandas.DataFrame:
        """All rows in memory as a `pandas.DataFrame`: words are categories, confidences float32.

        Raises:
            SetupError: pandas or pyarrow is missing.
        """
        _check_installed(_PANDAS, "pandas")
        return self.to_arrow().to_pandas()

    @checked_types
    def report(self, output: Target | None = None, *, force: bool = False) -> Written:
        """Write a page: figures, pictures, failures. Default: beside the table, with .html.

        Raises:
            UsageError: the result is temporary and `output` is missing, or another file is there.
            SetupError: the page cannot be written.
        """
        if output is None and self._folder is not None:
            raise UsageError("the table is temporary; name the page with output=")
        page = None if output is None else Path(output)
        made = write_report(self._settings, str(self._output), page, force=force, quiet=True)
        log_notice(made.notice)
        return made

    @checked_types
    def compare(
        self, other: Result | Target, output: Target | None = None, *, force: bool = False
    ) -> Comparison:
        """Compare with another result, table or job over the same images, with an exact test of
        whether a difference may be chance; with `output` also as a page.

        Raises:
            UsageError: they have no image in common, or the page would replace another file.
        """
        second = other.output if isinstance(other, Result) else other
        page = None if output is None else Path(output)
        made = compare_tables(str(self._output), os.fspath(second), page, force=force, quiet=True)
        log_notice(made.notice)
        return made.comparison

    @checked_types
    def sort(
        self, into: Target, way: Literal["copy", "link", "move"], *, dry_run: bool = False
    ) -> Sorted:
        """Put the images into a folder of `into` for each label. The same call continues after an
        interruption; `hangtag sort --undo` takes everything back.

        Raises:
            UsageError: the job is not finished, or the folder has other files.
            SetupError: a disk is full or read-only.
        """
        act = sorting.rehearse if dry_run else sorting.sort
        return act(self._output, Path(into), Way(way), quiet=True)

    @checked_types
    def verify(self, *, deep: bool = False) -> Proof:
        """Prove that the table is complete and unchanged, and with `deep` that every file is.

        Raises:
            SetupError: the table or its journal cannot be read.
        """
        return prove(self._output, deep)

    def close(self) -> None:
        """Remove the temporary folder, if the result has one. A table stays."""
        if self._folder is not None:
            self._folder.remove()

    def __enter__(self) -> Result:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._folder is not None and not self._folder.is_there:
            return "<hangtag.Result: closed>"
        view = self._view()
        so_far = "" if view.exit_code is not None else f" of {view.images:,} so far"
        failed = f", {view.failed:,} failed" if view.failed else ""
        return f"<hangtag.Result: {view.done:,} rows{so_far}{failed}, {view.model}, {self._output}>"

    def _repr_html_(self) -> str:
        from hangtag.notebook import result_html

        with self._opened() as sealed:
            return result_html(self._view(), self.answers, sealed)

    def _written(self, path: Target, form: str, force: bool) -> Path:
        target = CopyTarget(os.fspath(path), form, force)
        render_copy(str(self._output), DisplayOptions(), target, quiet=True)
        return Path(path)

    @contextmanager
    def _opened(self) -> Iterator[SealedJournal]:
        self._view()  # raises if there is no job to read
        with SealedJournal(self._output, or_running=True, check=self._check) as sealed:
            self._check = False
            yield sealed

    def _view(self) -> JobView:
        """The state of the job. Raises UsageError, SetupError."""
        if self._folder is not None and not self._folder.is_there:
            raise UsageError("this result is closed, and its temporary table is gone")
        view = read_snapshot(self._output)
        if view is None:
            raise UsageError(f"the job of {self._output} has not started; call hangtag.classify")
        if view.state is JobState.UNREADABLE:
            check_readable(self._output)
        return view


def _check_installed(packages: dict[str, str], extra: str) -> None:
    if lack := installation.missing(packages, extra):
        raise SetupError(lack)
