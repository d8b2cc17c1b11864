"""Jobs: `classify` finishes one, `open_table` reads one that there is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing

from hangtag import images as image_lists
from hangtag.arguments import checked_types
from hangtag.call import Call
from hangtag.images import Images
from hangtag.reporter import Progress, Reporter
from hangtag.result import Result
from producer.inputs.job_options import JobOptions
from producer.jobs.find_job import find_output
from shared.messages.files import AUTO
from shared.options import checked
from shared.runtimes import DEFAULT
from shared.settings import Settings
from shared.stop import Stop


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
    with image_lists.given(images) as given, closing(Reporter(progress)) as reporter:
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
