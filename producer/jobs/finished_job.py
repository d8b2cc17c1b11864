"""What is said of a job that an earlier run has finished, and its table if that is missing."""

from __future__ import annotations

from pathlib import Path

from producer.formats.table_file import is_foreign
from producer.jobs.job import Job
from producer.journal.snapshot import is_formed
from producer.present.events import Events
from producer.present.formatting import typed
from shared.stop import Waits

#: What to do with a finished job, unless the caller says something else.
RESTART = "run it again with classify --restart"


def notice(output: Path, retry_failed: bool, added: int, if_finished: str) -> str:
    """Why there is nothing to do. Empty if files were added: the line on these says what to run."""
    if retry_failed:
        return f"no row of {output} has failed; there is nothing to retry"
    if added and if_finished == RESTART:
        return ""
    return f"{output} is finished already; {if_finished}"


def report(job: Job, events: Events, waits: Waits, then: str) -> None:
    """Write its table again if that is missing or old, and say what is unusual; last `then`."""
    if not job.output.exists():
        job.table.render(passed=lambda rows: waits.check())
        events.notice(f"{job.output} was missing; it was written again from its journal")
    elif not job.table.is_rendered:
        job.table.render(passed=lambda rows: waits.check())
        events.notice(f"{job.output} was rendered again from its journal; nothing was classified")
        return
    elif is_foreign(job.journal, job.output):
        events.notice(
            f"{job.output} differs from what its job wrote; show the differences with: "
            f"{typed(['hangtag', 'verify', str(job.output)])} (to write it again, remove the file "
            "and run the same command)"
        )
    if is_formed(job.output):
        events.notice("an update of the table was interrupted; continue it with: classify --update")
    if then:
        events.notice(then)
