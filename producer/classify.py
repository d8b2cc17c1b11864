"""`hangtag classify`: submit, wait, collect; the same command again resumes."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
from redis.exceptions import RedisError

from producer import stack
from producer.appeared import appeared
from producer.budget import Budget
from producer.channel import Channel, check_server, leave
from producer.full_server import refusal
from producer.interrupts import interrupts
from producer.job import Job
from producer.options import JobOptions
from producer.report import Report, make_report
from producer.run import Run
from producer.table import PART_SUFFIX
from producer.walk import check_roots
from shared.broker import connect, make_app
from shared.errors import BrokerAway, BrokerFull
from shared.exits import Exit
from shared.place import broker_url
from shared.settings import Settings


class Summary(msgspec.Struct, frozen=True):
    """What a run came to."""

    job: str
    output: str
    model: str
    images: int
    failed: int
    classified: int  #: in this run; the rest in earlier ones
    skipped: dict[str, int]
    seconds: float
    exit_code: int
    flagged: dict[str, int] = {}  #: how many pictures have each flag


def classify(
    options: JobOptions,
    settings: Settings,
    *,
    budget: Budget | None = None,
    timeout_s: float | None = None,
    restart: bool = False,
    quiet: bool = False,
) -> Summary:
    """Finish a job, or leave it so that it can be resumed.

    Raises:
        UsageError: the arguments or the options do not fit; nothing was begun.
        SetupError: something outside is at fault; what was begun is intact.
    """
    begun = time.monotonic()
    check_roots(options)
    job = Job(options, restart)
    report = make_report(quiet)
    skipped: dict[str, int] = {}
    before = job.journal.totals.done
    try:
        code = job.exit_code
        _tell_appeared(job, report, finished=code is not None)
        if code is None:
            code, skipped = _attempt(job, settings, report, budget or Budget(), begun, timeout_s)
        else:
            report.notice(f"{job.output} is finished already; --restart does it again")
        report.close()
        return _summary(job, code, before, skipped, time.monotonic() - begun)
    finally:
        report.close()
        job.close()


def _attempt(
    job: Job,
    settings: Settings,
    report: Report,
    budget: Budget,
    begun: float,
    timeout_s: float | None,
) -> tuple[Exit, dict[str, int]]:
    channel = _open_channel(job, settings)
    deadline = begun + timeout_s if timeout_s else float("inf")
    run = Run(
        channel, job.journal, job.options, settings, report, budget, deadline,
        lambda: stack.ensure(settings),
    )  # fmt: skip
    job.stopped(Exit.INTERRUPTED)  # what is true if this process dies
    with interrupts(run.stop):
        code = run.execute()
    if run.complete:
        job.write_table()
        channel.finish()  # before the job answers for itself, and never comes here again
        job.finish(code)
    else:
        job.stopped(code)
        _stop(job, code, channel)
    return code, run.skipped


def _stop(job: Job, code: Exit, channel: Channel) -> None:
    if code is Exit.BUDGET:
        job.write_table(Path(f"{job.output}{PART_SUFFIX}"))
    if code in (Exit.BUDGET, Exit.CANCELLED):
        channel.finish()


def _open_channel(job: Job, settings: Settings) -> Channel:
    stack.ensure(settings)
    url = broker_url(settings)
    client = connect(url, "producer")
    try:
        check_server(client)
        if job.replaced:
            leave(client, job.replaced)
        if not job.begun:
            job.begin(client)
        channel = Channel(client, make_app(url, "producer"), job.record, settings)
        channel.resume()
    except RedisError as error:
        if why := refusal(error):
            raise BrokerFull(f"{why}; make room, and give the same command again") from error
        raise BrokerAway(
            f"Redis at {stack.shown(url)} does not answer ({error}); "
            "start it, or unset HANGTAG_REDIS_URL to use this machine's stack"
        ) from error
    return channel


def _tell_appeared(job: Job, report: Report, finished: bool) -> None:
    new = appeared(job.options, job.journal, finished) if job.begun else 0
    if new:
        report.notice(
            f"{new} files have appeared since the job began and are not in it; "
            "--restart takes them in"
        )


def _summary(job: Job, code: Exit, before: int, skipped: dict[str, int], seconds: float) -> Summary:
    totals = job.journal.totals
    return Summary(
        job.record.id,
        str(job.output),
        job.card.ref,
        totals.done,
        totals.failed,
        totals.done - before,
        skipped,
        round(seconds, 3),
        int(code),
        totals.flagged,
    )
