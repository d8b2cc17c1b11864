"""The commands on jobs that have started: status, collect, cancel, forget."""

from __future__ import annotations

from pathlib import Path

import click

from producer.cli.command_examples import examples
from producer.cli.confirm import confirm, yes_option
from producer.cli.jobs.classify import show_summary
from producer.cli.names import JOB
from producer.cli.options import json_option, print_answer, quiet_option
from producer.cli.watching import show_lines, watch_option
from shared.errors import BrokerAway
from shared.settings import Settings


@click.command(
    epilog=examples(
        ("hangtag status", "all jobs and open requests"),
        ("hangtag status --watch", "the same every 2 seconds"),
        ("hangtag status photos.csv --json", "one job, by its table or its id"),
    )
)
@click.argument("job", required=False, default="", type=JOB)
@watch_option
@json_option
def status(job: str, watch: bool, as_json: bool) -> None:
    """List all jobs and open requests, or show one job.

    JOB is an id or the path of a table.
    """
    from producer.jobs.request_of_id import requests_refused
    from producer.jobs.status import job_lines

    settings = Settings.from_env()
    with requests_refused(job, settings):
        show_lines(lambda notice: job_lines(job, as_json, settings, notice), watch, as_json)


@click.command(hidden=True, epilog=examples(("hangtag classify photos.csv", "")))
@click.argument("job", type=JOB)
@quiet_option
@json_option
def collect(job: str, quiet: bool, as_json: bool) -> None:
    """Follow a job to its end, or finish it here: hangtag classify TABLE.

    Of a cancelled job the rows so far are written. JOB is an id or the path of a table. The word
    goes with version 0.4.
    """
    from producer.cli.running import running_job
    from producer.jobs.follow import collect as collect_job
    from producer.jobs.request_of_id import requests_refused

    settings = Settings.from_env()
    with requests_refused(job, settings), running_job(quiet) as (events, stop):
        summary = collect_job(job, settings, events, stop)
    show_summary(summary, as_json, quiet)


@click.command(
    epilog=examples(
        ("hangtag cancel photos.csv", "by the job's table"),
        ("hangtag cancel k3fa2b1c", "by its id; also a request"),
    )
)
@click.argument("job", type=JOB)
@json_option
def cancel(job: str, as_json: bool) -> None:
    """Stop a job, which classify resumes, or a request.

    The results of a job so far are stored. JOB is an id or the path of a table.
    """
    from producer.jobs.cancel import cancel as cancel_job
    from producer.jobs.cancel import line
    from producer.jobs.find_job import NoSuchJob
    from producer.jobs.request_of_id import cancel_request

    settings = Settings.from_env()
    try:
        cancelled = cancel_job(job, settings)
    except (NoSuchJob, BrokerAway) as error:
        text = cancel_request(job, settings, error)
        print_answer({"request": job, "state": "cancelled"}, [text], as_json)
    else:
        print_answer(cancelled, [line(cancelled)], as_json)


@click.command(
    epilog=examples(
        ("hangtag forget photos.csv", "asks, and leaves photos.csv"),
        ("hangtag forget k3fa --yes", "by the start of its id, without a question"),
    )
)
@click.argument("job", type=JOB)
@yes_option
@json_option
def forget(job: str, yes: bool, as_json: bool) -> None:
    """Remove a job and its journal; its table stays.

    The job can no longer be resumed, verified or displayed. JOB is an id or the path of a table.
    """
    from producer.jobs import forget as forgetting
    from producer.present.formatting import one_line

    known = forgetting.find(job)
    name = f"job {known.id}".rstrip()
    output = one_line(str(known.output))
    confirm(f"Forget {name} of {output} ({known.about})? Its results are lost.", yes)
    reached = forgetting.forget(known, Settings.from_env())
    stays = "its files stay, if they exist" if known.missing else _what_stays(known.output)
    answer = {"job": known.id, "output": str(known.output), "keys_deleted": reached}
    print_answer(answer, [f"{name} is forgotten; {stays}"], as_json)
    if not reached:
        click.echo("Redis is unreachable; its keys there expire within a day", err=True)


def _what_stays(output: Path) -> str:
    from producer.present.formatting import one_line

    return f"{one_line(str(output))} {'stays' if output.exists() else 'was never written'}"


COMMANDS = (status, collect, cancel, forget)
