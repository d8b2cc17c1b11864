"""One call of `classify`: runs its job, and makes its result."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from hangtag.images import Given
from hangtag.reporter import Reporter
from hangtag.result import Result
from hangtag.running import run
from hangtag.temporary import INTERRUPTED, Scratch
from producer.formats.table_formats import no_room
from producer.inputs.job_options import JobOptions, encode_options
from producer.jobs.perform import perform
from producer.jobs.resolve import resolved
from producer.jobs.run import Summary
from producer.journal.snapshot import has_journal
from producer.output.output_path import default_output
from producer.present.events import Event, Events, Started
from shared.errors import Exit, HangtagError, SetupError, StillOpen, Stopped, UsageError
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
        images: Given,
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
        folder = INTERRUPTED.taken(key) or Scratch(name, self._settings)
        try:
            return self._result(msgspec.structs.replace(options, output=str(folder.table)), folder)
        except BaseException:
            if has_journal(folder.table):
                INTERRUPTED.keep(key, folder)
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
        return result

    def _run(self, options: JobOptions, folder: Scratch | None) -> Summary:
        has_started = False

        def work(events: Events, stop: Stop) -> Summary:
            listed = self._images.listed
            return perform(options, self._settings, stdin=listed, events=events, stop=stop)

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
