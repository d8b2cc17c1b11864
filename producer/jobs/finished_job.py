"""What is said of a job that an earlier run has finished, and its table if that is missing."""

from __future__ import annotations

from contextlib import suppress

from producer.formats.table_file import is_foreign
from producer.jobs.job import Job
from producer.journal.snapshot import is_formed
from producer.present.events import Events
from producer.present.formatting import typed
from shared.errors import HangtagError
from shared.messages.model_name import parse
from shared.registry.registry import Registry
from shared.settings import Settings
from shared.stop import Waits

#: What to do with a finished job, unless the caller says something else.
RESTART = "run it again with classify --restart"


def notice(job: Job, settings: Settings, retry_failed: bool, added: int, if_finished: str) -> str:
    """Why there is nothing to do. Empty if files were added: the line on these says what to run."""
    if retry_failed:
        return f"no row of {job.output} has failed; there is nothing to retry"
    if if_finished != RESTART:
        return f"{job.output} is finished already; {if_finished}"
    if added:
        return ""
    if now := _in_use_now(job, settings):
        finished = f"{job.output} is finished already, with {job.card.ref}"
        return f"{finished}; {now} is in use now: {RESTART} to classify with it"
    return f"{job.output} is finished already; {RESTART}"


def _in_use_now(job: Job, settings: Settings) -> str:
    """The version that the job's model stands for now, if that is another one. Empty if it is not
    known without a server: a finished job needs none."""
    if settings.redis_url:
        return ""
    with suppress(HangtagError, OSError):
        now = Registry(settings.store_path).resolve(parse(job.options.model)).ref
        return now if now != job.card.ref else ""
    return ""


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
