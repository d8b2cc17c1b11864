"""The commands that start a job: classify and submit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import click

from producer.cli.command_examples import examples
from producer.cli.display import display_options, make_display
from producer.cli.names import MODEL, MODEL_FORM
from producer.cli.option_lists import Command, seldom_option
from producer.cli.options import json_option, quiet_option
from producer.cli.params import BudgetParam, SecondsParam, TextParam
from producer.formats.table_formats import SUFFIXES
from producer.inputs.job_options import JobOptions
from producer.present.formatting import show_json
from shared.errors import UsageError
from shared.messages.files import AUTO, TRANSPORTS
from shared.runtimes import ABOUT, CHOICES, DEFAULT
from shared.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def job_options(command: F) -> F:
    """The options that classify and submit share."""
    for option in reversed(
        (
            # The walk checks readability: an unreadable folder is an error, a file a row.
            click.argument("folders", nargs=-1, metavar="DIR...",
                           type=click.Path(path_type=bytes, readable=False)),
            click.option("-o", "--output", type=click.Path(), default="",
                         help=f"The table, in the form that its name ends in: {SUFFIXES}. Default: "
                         "the folder's name with .csv, here."),
            click.option("--glob", type=TextParam(), multiple=True,
                         help="Classify only files that match this pattern, for example '*.png'. "
                         "Repeatable."),
            click.option("--archives", is_flag=True,
                         help="Open the zip and tar archives in folders, too. An archive that is "
                         "named is always opened."),
            click.option(
                "--list", "list_file", type=click.Path(path_type=bytes), default=b"",
                metavar="FILE|-",
                help="Read paths and addresses (https://, s3://) from this file or standard input, "
                "one per line, relative to the current folder, instead of folders.",
            ),
            seldom_option(
                "--list0", "list0_file", type=click.Path(path_type=bytes), default=b"",
                metavar="FILE|-", help="As --list, of names that end with NUL, as of find -print0.",
            ),
            click.option("--model", type=MODEL, default="", metavar=MODEL_FORM,
                         help="Default: see hangtag models use."),
            seldom_option("--runtime", type=click.Choice(CHOICES), default=DEFAULT.name,
                         help=f"What computes the network; {ABOUT}."),
            seldom_option("--transport", type=click.Choice(TRANSPORTS), default=AUTO,
                         help="inline: through Redis. path: workers open files on a shared file "
                         "system (HANGTAG_ROOT). auto: on this machine's stack they open large "
                         "ones."),
            display_options,
            click.option("--max-failures", "budget", type=BudgetParam(), default=None,
                         help="Stop with exit code 4 if more than N, or P%, of the rows fail."),
            click.option("--timeout", "timeout_s", type=SecondsParam(),
                         default=None, metavar="SECONDS",
                         help="Stop waiting after this time; the same command resumes."),
            click.option("--restart", is_flag=True, help="Start over and replace the output."),
            click.option("--retry-failed", is_flag=True,
                         help="Retry only the failed rows, also of a finished job."),
            click.option("--update", is_flag=True,
                         help="Bring a finished table up to date: new and changed files are "
                         "classified, rows of removed ones leave, all others stay."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(
    cls=Command,
    epilog=examples(
        ("hangtag classify photos/", "into photos.csv; again: resumes"),
        ("hangtag classify photos/ -o out.csv --model garments@3", ""),
        ("hangtag classify a/ b/ -o all.csv --glob '*.jpg' --top-k 3", ""),
        ("hangtag classify photos/ --retry-failed", "the failed rows alone"),
        ("hangtag classify photos/ --update", "new and changed files alone"),
    ),
)
@job_options
@click.option(
    "--watch",
    is_flag=True,
    help="Go on until Ctrl-C: bring the table up to date whenever files change.",
)
@quiet_option
@json_option
def classify(as_json: bool, quiet: bool, **given: Any) -> None:
    """Classify the images of folders into a table.

    Running the same command again resumes an interrupted job.

    Exit codes: 0 all classified, 3 finished with failed rows or folders that could not be
    listed, 4 error budget exceeded, 130 interrupted and resumable, 5 cancelled, 2 usage, 1 set-up.
    """
    from producer.cli.running import running_job
    from producer.jobs.classify import classify as run_job
    from producer.jobs.update import update
    from producer.jobs.watch import watch as repeat
    from producer.present.events import RowChanged

    is_watched = given["watch"]
    given["update"] |= is_watched
    options = make_options(given)
    run = update if given["update"] else partial(run_job, restart=given["restart"])
    with running_job(quiet) as (events, stop):
        run = partial(
            run,
            options,
            Settings.from_env(),
            display=make_display(given),
            budget=given["budget"],
            timeout_s=given["timeout_s"],
            retry_failed=given["retry_failed"],
            stdin=sys.stdin.buffer if options.is_piped and sys.stdin else None,
            events=events,
            stop=stop,
        )
        if is_watched:
            events.subscribe(partial(_show_change, as_json=as_json), RowChanged)
        limit_s = given["timeout_s"]
        summary = repeat(options, run, events, stop, limit_s) if is_watched else run()
    again = ["--watch"] if is_watched else ["--update"] if given["update"] else []
    show_summary(summary, as_json, quiet, again)


def _show_change(change: Any, as_json: bool) -> None:
    """Print a change of the table, one a line."""
    if as_json:
        show_json(change)
        return
    answer = change.label or ("" if change.status == "ok" else change.status)
    if change.label and change.confidence is not None:
        answer += f" ({100 * change.confidence:.0f} %)"
    click.echo(f"{change.change:8}{change.path}{': ' if answer else ''}{answer}")


@click.command(
    cls=Command,
    same_as=classify,
    epilog=examples(
        ("hangtag submit photos/ -o out.csv", ""),
        ("hangtag collect out.csv", "follow it, or finish it"),
    ),
)
@job_options
@json_option
def submit(as_json: bool, **given: Any) -> None:
    """Classify in the background and print the job's id.

    The options are those of hangtag classify, without --watch and --quiet.
    """
    from producer.cli.running import running_job
    from producer.jobs.background_jobs import start

    options = make_options(given)
    make_display(given)
    end = [*sys.argv, "--"].index("--")  # after it the word is a path
    arguments = [a for i, a in enumerate(sys.argv) if i > 1 and (a != "--json" or i > end)]
    with running_job(quiet=True) as (events, stop):
        job = start(options, arguments, Settings.from_env(), given["restart"], events, stop)
    if as_json:
        show_json({"job": job, "output": options.output})
    else:
        click.echo(job)
        click.echo(f"follow it with: hangtag collect {job}", err=True)


COMMANDS = (classify, submit)


def make_options(given: dict[str, Any]) -> JobOptions:
    """The options of a job from those of the command line, and the chosen model.

    Raises:
        UsageError: not exactly one of folders and a list is given, or as
            `producer.jobs.given_options.make_options`.
        SetupError: as that.
    """
    from producer.jobs import given_options

    folders, list_file = given["folders"], given["list_file"] or given["list0_file"]
    if bool(folders) == bool(list_file):
        raise UsageError("give folders of images, or a list of paths with --list")
    if given["list_file"] and given["list0_file"]:
        raise UsageError("--list and --list0 are two kinds of list; give one")
    same = ("output", "model", "runtime", "transport", "top_k", "probabilities", "restart",
            "retry_failed", "update", "archives")  # fmt: skip
    options = given_options.GivenOptions(
        roots=tuple(folders),
        globs=given["glob"],
        list_file=list_file,
        list0=bool(given["list0_file"]),
        **{name: given[name] for name in same},
    )
    return given_options.make_options(options, Settings.from_env())


def show_summary(
    summary: Any, as_json: bool, quiet: bool = False, again: Sequence[str] = ()
) -> None:
    """Print the summary of a run and exit with its code."""
    from producer.cli.jobs.job_summary import show_job_summary

    if as_json:
        show_json(summary.as_json())
    show_job_summary(summary, quiet, again)
    sys.exit(int(summary.exit_code))
