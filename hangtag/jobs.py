"""Jobs: `classify` finishes one, `open_table` reads one that there is."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from hangtag import images as image_lists
from hangtag.arguments import checked_types
from hangtag.images import ImageList, Images
from hangtag.reporter import Progress, Reporter
from hangtag.result import Result, Scratch
from hangtag.running import run
from producer.job.find_job import find_output
from producer.job.job_options import JobOptions, encode_options
from producer.job.snapshot import has_journal
from producer.job_control.resolve import resolved
from producer.present.events import Event, Events, Notice, Started
from producer.run.classify import classify as classify_images
from producer.run.run import Summary
from producer.table.job_text import withdrawn_notice
from producer.table.output_path import default_output
from producer.table.table_formats import no_room
from shared.errors import Exit, HangtagError, SetupError, StillOpen, Stopped, UsageError
from shared.messages.files import AUTO
from shared.options import checked
from shared.runtimes import DEFAULT
from shared.settings import Settings
from shared.stop import Stop

#: The name of a table in a temporary folder, where its images have none.
_NAMELESS = "images.csv"
#: Arguments that need the table of another call.
_OF_TABLES = ("restart", "retry_failed", "update", "watch")
_RESUMES = "the job was stopped before its end; the same call resumes it"
_WHY = {
    Exit.BUDGET: "more images failed than max_failures allows; the same call with a higher "
    "max_failures, or with retry_failed=True after repairing the files, continues",
    Exit.CANCELLED: "the job was cancelled; the same call resumes it",
    Exit.INTERRUPTED: _RESUMES,
}
#: The folders of interrupted jobs of this process, by what they classify: the same call resumes
#: one, and all go at the end of the process.
_INTERRUPTED: dict[Hashable, Scratch] = {}


class Unfinished(HangtagError):
    """A job has ended before all of its images had a row: it was stopped, cancelled, out of time,
    or has more failures than `max_failures` allows. The same call resumes it.

    `result` has the rows so far, or is None if the call had not started to classify; `why` is one
    of `interrupted`, `budget` and `cancelled`.
    """

    def __init__(self, text: str, why: str = "interrupted", result: Result | None = None) -> None:
        super().__init__(text)
        self.why, self.result = why, result


class Call:
    """One call of `classify`."""

    def __init__(
        self,
        options: JobOptions,
        images: ImageList,
        settings: Settings,
        reporter: Reporter,
        stop: Stop,
    ) -> None:
        """The options are not resolved yet."""
        self._options, self._images, self._settings = options, images, settings
        self._reporter, self._stop = reporter, stop

    def at_output(self, output: str) -> Result:
        """The result of a job whose table stays. Raises as `classify`."""
        return self._result(self._resolved(output), None)

    def temporary(self) -> Result:
        """The result of a job in a temporary folder. One that has started, and has ended too soon,
        is there for the same call. Raises as `classify`."""
        for argument in (name for name in _OF_TABLES if getattr(self._options, name)):
            raise UsageError(f"{argument}=True is for a table that stays; give output=")
        name = _table_name(self._options)
        # In no folder, so that no other user can put a file there.
        options = self._resolved(os.path.join(os.devnull, name))
        key = encode_options(options), self._images.digest
        folder = _INTERRUPTED.pop(key, None)
        if folder is None or not folder.is_there:  # its result was closed
            folder = Scratch(name, self._settings)
        try:
            return self._result(msgspec.structs.replace(options, output=str(folder.table)), folder)
        except BaseException:
            if has_journal(folder.table):
                _INTERRUPTED[key] = folder
            else:
                folder.remove()
            raise

    def _resolved(self, output: str) -> JobOptions:
        return resolved(msgspec.structs.replace(self._options, output=output), self._settings)

    def _result(self, options: JobOptions, folder: Scratch | None) -> Result:
        summary = self._run(options, folder)
        result, code = self._so_far(options, folder), summary.exit_code
        if code == Exit.SETUP:
            raise SetupError(no_room(options.form, summary.view.done, Path(options.output)))
        if code in _WHY:
            raise Unfinished(_WHY[Exit(code)], Exit(code).name.lower(), result)
        answers = summary.view.answers
        if answers is not None and answers.withdrawn is not None:
            self._reporter(Notice(withdrawn_notice(answers.withdrawn)))
        return result

    def _run(self, options: JobOptions, folder: Scratch | None) -> Summary:
        has_started = False

        def work(events: Events, stop: Stop) -> Summary:
            listed = self._images.listed
            return classify_images(options, self._settings, stdin=listed, events=events, stop=stop)

        def report(event: Event) -> None:
            nonlocal has_started
            has_started = has_started or isinstance(event, Started)
            self._reporter(event)

        try:
            return run(work, report, self._stop, f"hangtag {options.output}")
        except Stopped:  # until it has started, the output may have an earlier job
            result = self._so_far(options, folder) if has_started else None
            raise Unfinished(_RESUMES, result=result) from None
        except StillOpen as error:
            raise Unfinished(str(error)) from None
        except KeyboardInterrupt as error:
            error.add_note(f"hangtag: {_RESUMES}")
            raise

    def _so_far(self, options: JobOptions, folder: Scratch | None) -> Result:
        return Result(Path(options.output), self._settings, folder)


def _table_name(options: JobOptions) -> str:
    """As the command would choose it."""
    try:
        name = default_output(options.roots, options.list_file)
    except UsageError:  # a list, several folders, or one without a name
        return _NAMELESS
    return name if name.isprintable() else _NAMELESS


@checked_types
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
    watch: bool = False,
    runtime: str = DEFAULT.name,
    transport: str = AUTO,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Result:
    """Classify images into a table, as `hangtag classify` does, and return its rows.

    The same call resumes a job that was interrupted: by Ctrl-C, by `stop`, by a crash. This
    machine's workers are started if none are configured. It may be called in any thread.

    Args:
        images: A folder, of which all images are classified; an archive or an address, as the
            command takes it; or an iterable of folders and archives, or of any number of images, as
            str, bytes or os.PathLike. Relative paths begin in the current folder. The rows of a
            folder are in byte order of their names, those of a list in its order.
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
        watch: Go on until `stop` or Ctrl-C: bring the table up to date whenever files change.
            `progress` gets a `hangtag.RowChanged` for each change, and a `hangtag.Watching`
            whenever the table is up to date. It needs `output`.
        runtime: What computes the network.
        transport: How images reach workers: `auto`, `inline` or `path`.
        progress: Called with each event of the job (`hangtag.Found`, `Stored`, ...), in this
            thread; what it raises ends the job, which can be resumed. None: the progress of the
            command in a notebook, elsewhere only notices, to the logger `hangtag`; False: these
            alone, True: as None.
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
    options = checked(JobOptions, locals())
    settings = Settings.from_env()
    with image_lists.image_list(images) as given, closing(Reporter(progress)) as reporter:
        asked = JobOptions(
            given.roots, list_file=given.list_file, list0=given.listed is not None, **options
        )
        call = Call(asked, given, settings, reporter, stop or Stop())
        return call.temporary() if output is None else call.at_output(os.fspath(output))


@checked_types
def open_table(table: str | os.PathLike[str]) -> Result:
    """The rows of a job that this machine has, by the path of its table or its id. Those of a job
    that is running are those so far.

    Raises:
        UsageError: there is no such job, or it never started.
        SetupError: its journal cannot be read.
    """
    return Result(find_output(os.fspath(table)), Settings.from_env())
