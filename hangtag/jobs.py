"""Jobs: `classify` finishes one, `open_table` reads one that there is."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import msgspec

from hangtag import images as image_lists
from hangtag.arguments import in_python, speaks_python
from hangtag.display import display_of
from hangtag.images import Given, Images
from hangtag.notebook.progress import notebook_progress
from hangtag.notices import log_notice
from hangtag.result import Result
from hangtag.running import run
from hangtag.temporary import INTERRUPTED, Scratch
from producer.formats.table_formats import no_room
from producer.inputs.error_budget import ErrorBudget, parse_budget
from producer.inputs.job_options import JobOptions
from producer.jobs.classify import Summary
from producer.jobs.classify import classify as run_job
from producer.jobs.find_job import find_output
from producer.jobs.given_options import GivenOptions, make_options
from producer.jobs.update import update as update_job
from producer.journal.snapshot import has_journal
from producer.output.output_path import default_output
from producer.present.events import Event, Events, Notice
from producer.rendering.display_options import DisplayOptions
from shared.errors import Exit, HangtagError, SetupError, StillOpen, Stopped, UsageError
from shared.messages.files import AUTO, TRANSPORTS
from shared.runtimes import DEFAULT, RUNTIMES
from shared.settings import Settings
from shared.stop import Stop

#: A function that gets the events of a job; True: a bar, if this is a notebook; False: nothing.
Progress = Callable[[Event], object] | bool
#: The name of the table of a list in its temporary folder.
_LIST = "images.csv"
_WHY = {
    Exit.BUDGET: "more images failed than --max-failures allows; the same call with a higher "
    "--max-failures, or with --retry-failed after repairing the files, continues",
    Exit.CANCELLED: "the job was cancelled; the same call resumes it",
    Exit.INTERRUPTED: "the job was stopped before its end; the same call resumes it",
}


class Unfinished(HangtagError):
    """A job has ended before all of its images had a row: it was stopped, cancelled, out of time,
    or has more failures than `max_failures` allows. The same call resumes it.

    `result` has the rows so far, or is None if the job has not started; `why` is one of
    `interrupted`, `budget` and `cancelled`.
    """

    def __init__(self, text: str, why: str = "interrupted", result: Result | None = None) -> None:
        super().__init__(text)
        self.why, self.result = why, result


@speaks_python
def classify(
    images: Images,
    *,
    output: str | os.PathLike[str] | None = None,
    model: str = "",
    glob: str | Sequence[str] = (),
    archives: bool = False,
    accept: float | str | None = None,
    min_confidence: float | None = None,
    columns: str | Sequence[str] | None = None,
    top_k: int | None = None,
    probabilities: bool | None = None,
    max_failures: int | str | None = None,
    timeout_s: float | None = None,
    restart: bool = False,
    retry_failed: bool = False,
    update: bool = False,
    runtime: str = DEFAULT.name,
    transport: str = AUTO,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Result:
    """Classify images into a table, as `hangtag classify` does, and return its rows.

    The same call resumes a job that was interrupted: by Ctrl-C, by `stop`, by a crash. This
    machine's workers are started if none are configured. It may be called in any thread.

    Args:
        images: A folder, of which all images are classified; a pattern (`"photos/*.jpg"`), an
            archive or an address, as the command takes it; or an iterable of folders, or of any
            number of images, as str, bytes or os.PathLike. Relative paths begin in the current
            folder. The rows of a folder are in byte order of their names, those of a list in its
            order.
        output: The table, in the form that its name ends in (docs/table.md). None: a temporary
            folder has it, which goes with the result.
        model: `NAME`, `NAME@VERSION` or `NAME@ALIAS`; empty: the one that `hangtag models use` has
            chosen, at first the one that ships.
        glob: Only files that match one of these patterns, for example `"*.png"`.
        archives: Open the zip and tar archives in folders, too; one that is named is always opened.
        accept: A precision, 0 to 1 or `"95%"`: rows whose confidence is too low for it are labelled
            `unknown`; `"all"`: no threshold.
        min_confidence: The same with one confidence for all labels, 0 to 1.
        columns: The columns of the table after the path, as names or as one text with commas.
        top_k: The number of labels that the table has for each image, 1 to 1,000.
        probabilities: Whether the table has a column for each label.
        max_failures: A number of rows, or a share such as `"5%"`: stop if more fail.
        timeout_s: Stop waiting after these seconds.
        restart: Start over and replace the output.
        retry_failed: Retry only the failed rows, also of a finished job.
        update: Bring a finished table up to date: new and changed files are classified, rows of
            removed ones leave, all others stay.
        runtime: What computes the network.
        transport: How images reach workers: `auto`, `inline` or `path`.
        progress: Called with each event of the job (`hangtag.Found`, `Stored`, ...), in this
            thread; what it raises ends the job, which can be resumed. None: a bar in a notebook,
            elsewhere only notices, to the logger `hangtag`; False: these alone, True: as None.
        stop: Ends the job from another thread: `stop.request()`.

    Returns:
        The rows of the finished job, some of which may have failed (`Result.failed`).

    Raises:
        UsageError: an argument is wrong; nothing was started.
        SetupError: something outside is at fault; the sentence says what. A started job is intact.
        BrokerAway: Redis is unreachable.
        Unfinished: the job has ended too soon; `result` has the rows so far.
        KeyboardInterrupt: Ctrl-C; the job has stopped, and can be resumed.
    """
    settings = Settings.from_env()
    display = display_of(accept, min_confidence, columns, top_k, probabilities)
    budget = _budget(max_failures)
    _check_choice("--runtime", runtime, RUNTIMES)
    _check_choice("--transport", transport, TRANSPORTS)
    if timeout_s is not None and not timeout_s > 0:
        raise UsageError(f"--timeout {timeout_s!r} is no number of seconds above 0")
    with image_lists.given(images) as given:
        options = GivenOptions(
            roots=given.roots,
            output="" if output is None else os.fspath(output),
            globs=(glob,) if isinstance(glob, str) and glob else tuple(glob),
            archives=archives,
            list_file=given.list_file,
            list0=given.listed is not None,
            model=model,
            runtime=runtime,
            transport=transport,
            top_k=top_k,
            probabilities=probabilities,
            restart=restart,
            retry_failed=retry_failed,
            update=update,
        )
        job = partial(
            update_job if update else partial(run_job, restart=restart),
            settings=settings,
            display=display,
            budget=budget,
            timeout_s=timeout_s,
            retry_failed=retry_failed,
            stdin=given.listed,
        )
        with closing(_Reporter(progress)) as reporter:
            if output is not None:
                made = make_options(options, settings)
                return _ended(_run(job, made, reporter, stop), made, None, settings)
            return _temporary(job, options, given, reporter, stop, settings, display)


@speaks_python
def open_table(table: str | os.PathLike[str]) -> Result:
    """The rows of a job that this machine has, by the path of its table or its id. Those of a job
    that is running are those so far.

    Raises:
        UsageError: there is no such job, or it never started.
        SetupError: its journal cannot be read.
    """
    return Result(find_output(os.fspath(table)), Settings.from_env())


def _temporary(
    job: Callable[..., Summary],
    options: GivenOptions,
    given: Given,
    reporter: _Reporter,
    stop: Stop | None,
    settings: Settings,
    display: DisplayOptions,
) -> Result:
    """The result of a job in a temporary folder. One that has started, and ended too soon, is there
    for the same call."""
    named = _LIST if given.listed is not None else default_name(options)
    earlier = ("restart", "retry_failed", "update")
    for argument in (name for name in earlier if getattr(options, name)):
        raise UsageError(f"{argument}=True is for the table of an earlier call; give output=")
    draft = make_options(msgspec.structs.replace(options, output=named), settings)
    key = (msgspec.structs.replace(draft, output=""), given.digest)
    folder = INTERRUPTED.taken(key) or Scratch(named, settings)
    made = msgspec.structs.replace(draft, output=str(folder.table))
    try:
        return _ended(_run(job, made, reporter, stop), made, folder, settings)
    except BaseException:
        if has_journal(folder.table):
            INTERRUPTED.keep(key, folder)
        else:
            folder.remove()
        raise


def default_name(options: GivenOptions) -> str:
    """The name of a table in a temporary folder, as the command would choose it."""
    try:
        return default_output(options.roots, options.list_file)
    except UsageError:  # several folders, or one without a name
        return _LIST


def _run(
    job: Callable[..., Summary], options: JobOptions, reporter: _Reporter, stop: Stop | None
) -> Summary:
    def work(events: Events, stop: Stop) -> Summary:
        return job(options, events=events, stop=stop)

    try:
        return run(work, reporter, stop or Stop(), f"hangtag {options.output}")
    except Stopped:
        raise Unfinished(_WHY[Exit.INTERRUPTED]) from None
    except StillOpen as error:
        raise Unfinished(str(error)) from None
    except KeyboardInterrupt as error:
        error.add_note("hangtag: the job was stopped; the same call resumes it")
        raise


def _ended(
    summary: Summary, options: JobOptions, folder: Scratch | None, settings: Settings
) -> Result:
    result = Result(Path(options.output), settings, folder)
    code = Exit(summary.exit_code)
    if code is Exit.SETUP:
        raise SetupError(no_room(options.form, summary.done, Path(options.output)))
    if code in _WHY:
        raise Unfinished(_WHY[code], code.name.lower(), result)
    return result


class _Reporter:
    """Passes the events of a job to whoever displays them."""

    def __init__(self, progress: Progress | None) -> None:
        self._bar = notebook_progress() if progress is None or progress is True else None
        self._report = progress if callable(progress) else None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Notice):
            if self._bar is None and self._report is None:
                log_notice(event.text)
            event = Notice(in_python(event.text))
        if self._report is not None:
            self._report(event)
        elif self._bar is not None:
            self._bar.show(event)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _budget(failures: int | str | None) -> ErrorBudget | None:
    if failures is None:
        return None
    try:
        return parse_budget(str(failures))
    except ValueError as error:
        raise UsageError(f"--max-failures: {error}") from None


def _check_choice(option: str, value: str, choices: Collection[str]) -> None:
    if value not in choices:
        raise UsageError(f"{option} {value!r:.80} is none of {', '.join(choices)}")
